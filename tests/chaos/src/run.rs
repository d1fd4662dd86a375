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
use crate::faults::Faults;
use crate::history::History;
use crate::processes::Processes;
use crate::proxy::Proxy;
use crate::receiver::Receiver;
use crate::report;
use crate::scenario::{CALM, SCENARIOS, Scenario};
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

/// Much longer than the last message of a scenario takes: what is left by then is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many broken promises a person reads; more say no more.
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
pub(crate) async fn run(template: &Path, seconds: u64, seed: u64, only: &str) -> Result<bool, Failed> {
    let faults = Arc::new(Faults::new(seed));
    let mut run = Run::start(template, faults).await?;
    say!(
        "seed {seed}, {seconds} s; the local stack is up: {}\n",
        run.stack.endpoint()
    );
    let scenarios: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(only))
        .collect();
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
        let (begun, messages) = (Instant::now(), self.workload.sent.len());
        self.faults.begin(scenario);
        if scenario.undeleted {
            self.lose_deletions();
        }
        let disturb = self.processes.disturb();
        let send = async {
            while begun.elapsed() < span {
                self.workload.send_some(self.stack.sqs(), &self.faults).await?;
                tokio::time::sleep(self.faults.between(1, 12)).await;
            }
            Ok::<_, String>(())
        };
        tokio::select! {
            sent = send => sent?,
            () = disturb => {}
        }
        self.settle().await?;
        self.faults.begin(&CALM);
        let found = check::check(&self.state());
        say!(
            "{:5.1} s  {}: {} messages, {} lost, {}",
            begun.elapsed().as_secs_f32(),
            scenario.name,
            self.workload.sent.len() - messages,
            found.lost,
            if found.broken.is_empty() { "held" } else { "BROKEN" },
        );
        Ok(found)
    }

    fn lose_deletions(&self) {
        self.stack.sqs().inject_every(
            3,
            sqs::Fault {
                operation: "DeleteMessageBatch".to_owned(),
                containing: None,
                times: 12,
                kind: sqs::FaultKind::LoseRequest,
            },
        );
        self.faults.count("queue: twelve deletions lost");
    }

    /// Waits until nothing is left in a queue, in a process or on its way.
    async fn settle(&self) -> Result<(), Failed> {
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
                return Err(format!("promise 5: after {PATIENCE:?}, {left:?} messages are left in {QUEUES:?}, neither done nor dead letters").into());
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
        say!("\n{}\n", report::faults(&self.faults.happened()));
        say!("{}\n", report::repeated(&repeated));
        let rows = [
            ("messages", self.workload.sent.len().to_string()),
            (
                "orders and notifications that their producer sent twice",
                self.workload.twice.to_string(),
            ),
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
