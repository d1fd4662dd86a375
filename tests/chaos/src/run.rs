//! A run: the stack, the scenarios one after the other, and the verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cli::say;
use emulator::dynamodb::Reply;
use emulator::lambda::Event;
use emulator::sqs;
use local::{Binaries, Options, Stack, build};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::Failed;
use crate::causes::Causes;
use crate::check::{self, Explanation, Found, State};
use crate::faults::{DELETION_LOST, Faults, REDELIVERED};
use crate::history::History;
use crate::processes::Processes;
use crate::proxy::Proxy;
use crate::receiver::Receiver;
use crate::report;
use crate::scenario::{CALM, Scenario};
use crate::workload::{FUNCTIONS, QUEUES, SKUS, STOCK, Workload};

/// Short, so that a minute has many crashes. An invocation may lose one request to a timeout, and not two.
const PARAMETERS: [(&str, &str); 7] = [
    ("FunctionTimeout", "2"),
    ("RequestTimeout", "1"),
    ("VisibilityTimeout", "3"),
    ("LongestRetryDelay", "1"),
    ("MaxReceiveCount", "1000"),
    ("BatchSize", "3"),
    ("MaximumConcurrency", "6"),
];

/// The line of the template after which the proxy's URL is set for all functions.
const ENVIRONMENT: &str = "        IDEMPOTENCY_TABLE: !Ref IdempotencyTable\n";

/// Much longer than the last message of a scenario takes, also on a busy machine: what is left by then is stuck.
const PATIENCE: Duration = Duration::from_secs(180);

/// How much longer than its span a scenario sends messages while one of its faults has not happened yet.
const EXTENSION: Duration = Duration::from_secs(3);

/// Lambda tries to delete up to twelve times, from a queue in up to six batches at once. This many requests lost in a row
/// leave some messages there.
const DELETIONS: u32 = 72;

/// How many broken promises are printed; the others are only counted.
const SHOWN: usize = 20;

struct Run {
    stack: Stack,
    faults: Arc<Faults>,
    history: Arc<History>,
    proxy: Proxy,
    receiver: Receiver,
    processes: Processes,
    workload: Workload,
    causes: Arc<Mutex<Causes>>,
}

/// Whether every promise held.
///
/// # Errors
///
/// The run could not begin, or a message is stuck.
pub(crate) async fn run(
    template: &Path,
    seconds: u64,
    seed: u64,
    scenarios: &[&'static Scenario],
) -> Result<bool, Failed> {
    let faults = Arc::new(Faults::new(seed));
    let mut run = Run::start(template, faults).await?;
    say!(
        "seed {seed}, {seconds} s; the local stack is up: {}\n",
        run.stack.endpoint()
    );
    let ends = Instant::now() + Duration::from_secs(seconds);
    let mut found = Found::default();
    for (index, scenario) in scenarios.iter().enumerate() {
        let span = span(&scenarios[index..], ends.saturating_duration_since(Instant::now()));
        found = run.play(scenario, span).await?;
        if !found.broken.is_empty() {
            break;
        }
    }
    run.finish(found, seed).await
}

/// How long to send messages: the scenario's part of what is left, without the time in which the last ones settle.
fn span(scenarios: &[&'static Scenario], left: Duration) -> Duration {
    let settling: u32 = scenarios.iter().map(|scenario| scenario.settles).sum();
    let shares: u32 = scenarios.iter().map(|scenario| scenario.share).sum();
    let sending = left.saturating_sub(Duration::from_secs(settling.into()));
    let share = scenarios[0].share;
    // Enough for some crashes even if the scenarios before it took long.
    (sending * share / shares).max(Duration::from_millis(250) + Duration::from_millis(250) * share)
}

impl Run {
    async fn start(template: &Path, faults: Arc<Faults>) -> Result<Self, Failed> {
        let history = Arc::new(History::default());
        let proxy = Proxy::start(Arc::clone(&faults), Arc::clone(&history)).await?;
        let receiver = Receiver::start(Arc::clone(&faults)).await?;
        let (observer, events) = unbounded_channel();
        let options = options(template, &proxy.url, &receiver.url).await?;
        let edited = options.template.clone();
        let stack = Stack::start(options, observer).await;
        fs::remove_file(edited)?;
        let stack = stack?;
        proxy.forward_to(stack.endpoint(), stack.lambda());
        for sku in SKUS {
            let item = json!({ "id": { "S": sku }, "stock": { "N": STOCK.to_string() } });
            let put = json!({ "TableName": "stock", "Item": item });
            if let Reply::Answer(Err(error)) = stack.dynamodb().call("PutItem", put) {
                return Err(format!("no stock of {sku}: {error:?}").into());
            }
        }
        let causes = Arc::default();
        tokio::spawn(collect(events, Arc::clone(&causes)));
        Ok(Self {
            processes: Processes::new(stack.lambda(), &faults),
            stack,
            faults,
            history,
            proxy,
            receiver,
            workload: Workload::default(),
            causes,
        })
    }

    /// Sends messages under the scenario's faults for this long, waits for their end, and checks what is promised.
    async fn play(&mut self, scenario: &'static Scenario, span: Duration) -> Result<Found, Failed> {
        let begun = Instant::now();
        let (before, messages) = (happened(&self.faults, &self.causes), self.workload.sent.len());
        self.faults.begin(scenario);
        let (missing, settled) = loop {
            self.send(span, &before).await?;
            let settled = self.settle().await;
            let missing = scenario.missing(&before, &happened(&self.faults, &self.causes));
            if missing.is_empty() || settled.is_err() || begun.elapsed() > PATIENCE {
                break (missing, settled);
            }
        };
        self.faults.begin(&CALM);
        let mut found = check::check(&self.state());
        let messages = self.workload.sent.len() - messages;
        let name = scenario.name;
        found.broken.extend(settled.err());
        let missing = missing
            .iter()
            .map(|fault| format!("{name:?} had no {fault:?}: it shows nothing"));
        found.broken.extend(missing);
        if messages == 0 {
            found.broken.push(format!("{name:?} had no message: it shows nothing"));
        }
        say!(
            "{:5.1} s  {name}: {messages} messages, {} lost, {}",
            begun.elapsed().as_secs_f32(),
            found.lost,
            if found.broken.is_empty() { "held" } else { "BROKEN" },
        );
        Ok(found)
    }

    /// Sends messages for this long, and a little longer while an expected fault has not happened since `before`.
    async fn send(&mut self, span: Duration, before: &BTreeMap<String, u64>) -> Result<(), String> {
        let (begun, scenario) = (Instant::now(), self.faults.scenario());
        let Self {
            workload,
            stack,
            faults,
            causes,
            ..
        } = self;
        let is_missing = || !scenario.missing(before, &happened(faults, causes)).is_empty();
        if scenario.undeleted {
            lose_deletions(stack.sqs(), faults);
        }
        let send = async {
            while begun.elapsed() < span || (begun.elapsed() < span + EXTENSION && is_missing()) {
                workload.send_some(stack.sqs(), faults).await?;
                tokio::time::sleep(faults.between(1, 12)).await;
            }
            Ok(())
        };
        tokio::select! {
            sent = send => sent,
            () = self.processes.disturb() => Ok(()),
        }
    }

    /// Waits until nothing is left in a queue, in a process or on its way.
    async fn settle(&self) -> Result<(), String> {
        let begun = Instant::now();
        let is_empty = |queue: &&str| self.stack.sqs().peek(queue).is_empty();
        let is_idle = |function: &&str| self.stack.lambda().working(function).is_empty();
        while !(QUEUES.iter().all(is_empty)
            && FUNCTIONS.iter().all(is_idle)
            && self.processes.all_go_on()
            && self.proxy.is_idle())
        {
            if begun.elapsed() > PATIENCE {
                let left = QUEUES.map(|queue| self.stack.sqs().peek(queue).len());
                return Err(format!(
                    "promise 5: after {PATIENCE:?}, {left:?} messages are left in {QUEUES:?}, neither done nor dead letters"
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn causes(&self) -> MutexGuard<'_, Causes> {
        self.causes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> State<'_> {
        State {
            stack: &self.stack,
            workload: &self.workload,
            history: &self.history,
            receiver: &self.receiver,
        }
    }

    async fn finish(self, found: Found, seed: u64) -> Result<bool, Failed> {
        // All processes end first, so that no line of their logs is missing.
        self.stack.lambda().shutdown().await;
        let begun = Instant::now();
        while !self.causes().is_complete() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("function processes still run {PATIENCE:?} after the end of the stack").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stopped = self.processes.ever_stopped();
        let repeated = check::repeated(&self.state(), &self.causes(), &stopped);
        let nothing = repeated
            .iter()
            .filter(|((_, explanation), _)| matches!(explanation, Explanation::Nothing(_)));
        let unexplained: usize = nothing.map(|(_, count)| count).sum();
        say!("\n{}\n", report::faults(&happened(&self.faults, &self.causes)));
        say!("{}\n", report::repeated(&repeated));
        let rows = [
            ("messages", self.workload.sent.len().to_string()),
            ("messages lost", found.lost.to_string()),
            ("committed writes repeated", found.commits_repeated.to_string()),
            (
                "external effects repeated",
                repeated.values().sum::<usize>().to_string(),
            ),
            ("of these without an explanation", unexplained.to_string()),
        ];
        say!(
            "{}",
            report::table(["in all", ""], rows.map(|(what, count)| [what.to_owned(), count]))
        );
        let mut broken = found.broken;
        if unexplained > 0 {
            broken.push(format!(
                "promise 3: {unexplained} effects were repeated, and no failed delivery explains them"
            ));
        }
        for broken in broken.iter().take(SHOWN) {
            say!("BROKEN {broken}");
        }
        if !broken.is_empty() {
            say!("{} broken promises; run it again with --seed {seed}", broken.len());
        }
        Ok(broken.is_empty())
    }
}

/// What happened so far, and how often.
fn happened(faults: &Faults, causes: &Mutex<Causes>) -> BTreeMap<String, u64> {
    let mut happened = faults.happened();
    let redelivered = causes.lock().unwrap_or_else(PoisonError::into_inner).redelivered;
    happened.insert(REDELIVERED.to_owned(), redelivered);
    happened
}

/// Loses the next requests to delete. Messages are sent after it and have to be deleted, so all are used up when the
/// scenario ends.
fn lose_deletions(queues: &sqs::Sqs, faults: &Faults) {
    queues.inject(sqs::Fault {
        operation: "DeleteMessageBatch".to_owned(),
        containing: Some("/orders\"".to_owned()),
        times: DELETIONS,
        kind: sqs::FaultKind::LoseRequest,
    });
    for _ in 0..DELETIONS {
        faults.count(DELETION_LOST);
    }
}

async fn collect(mut events: UnboundedReceiver<Event>, causes: Arc<Mutex<Causes>>) {
    while let Some(event) = events.recv().await {
        causes.lock().unwrap_or_else(PoisonError::into_inner).note(event);
    }
}

/// The template with the proxy between its functions and their tables and queues.
async fn options(template: &Path, proxy: &str, receiver: &str) -> Result<Options, Failed> {
    let text = fs::read_to_string(template).map_err(|error| format!("{}: {error}", template.display()))?;
    if !text.contains(ENVIRONMENT) {
        return Err(format!("{} has no line {ENVIRONMENT}", template.display()).into());
    }
    let endpoints = ["SQS", "DYNAMODB"].map(|service| format!("        AWS_ENDPOINT_URL_{service}: {proxy}\n"));
    let text = text.replace(ENVIRONMENT, &format!("{ENVIRONMENT}{}", endpoints.concat()));
    say!("Building the functions ...");
    let names = FUNCTIONS.map(str::to_owned);
    let workspace = template.parent().filter(|folder| !folder.as_os_str().is_empty());
    let binaries = build(workspace.unwrap_or(Path::new(".")), &names).await?;
    let file = std::env::temp_dir().join(format!("chaos-{}.yaml", std::process::id()));
    fs::write(&file, text)?;
    let parameters = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut parameters = BTreeMap::from(parameters);
    parameters.insert("NotificationUrl".to_owned(), receiver.to_owned());
    Ok(Options {
        parameters,
        binaries: Binaries::Only(binaries),
        ..Options::new(file)
    })
}
