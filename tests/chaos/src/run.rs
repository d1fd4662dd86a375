//! A run: the stack, the scenarios one after the other, and the verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cli::say;
use emulator::dynamodb::Reply;
use emulator::sqs;
use local::Stack;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;

use crate::Failed;
use crate::check::{self, Explanation, Found, State};
use crate::faults::{DELETION_LOST, Faults};
use crate::history::History;
use crate::ledger::Deliveries;
use crate::outage::outages;
use crate::processes::Processes;
use crate::proxy::Proxy;
use crate::receiver::Receiver;
use crate::report;
use crate::scenario::{CALM, Scenario};
use crate::seen::{Seen, collect, happened};
use crate::setup::options;
use crate::workload::{FUNCTIONS, QUEUES, SKUS, STOCK, Workload};

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
    seen: Arc<Mutex<Seen>>,
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
        let seen = Arc::default();
        tokio::spawn(collect(events, Arc::clone(&seen), Arc::clone(&faults)));
        Ok(Self {
            processes: Processes::new(stack.lambda(), &faults),
            stack,
            faults,
            history,
            proxy,
            receiver,
            workload: Workload::default(),
            seen,
        })
    }

    /// Sends messages under the scenario's faults for this long, waits for their end, and checks what is promised.
    async fn play(&mut self, scenario: &'static Scenario, span: Duration) -> Result<Found, Failed> {
        let begun = Instant::now();
        let (before, messages) = (self.happened(), self.workload.sent.len());
        self.faults.begin(scenario);
        let (missing, settled) = loop {
            self.send(span, &before).await?;
            let settled = self.settle().await;
            let missing = scenario.missing(&before, &self.happened());
            if missing.is_empty() || settled.is_err() || begun.elapsed() > PATIENCE {
                break (missing, settled);
            }
        };
        self.faults.begin(&CALM);
        let mut found = check::check(&self.state(&self.seen().deliveries));
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
            seen,
            ..
        } = self;
        let is_missing = |workload: &Workload| {
            let now = happened(faults, seen, &workload.two_contents);
            !scenario.missing(before, &now).is_empty()
        };
        if scenario.undeleted {
            lose_deletions(stack.sqs(), faults);
        }
        let send = async {
            while begun.elapsed() < span || (begun.elapsed() < span + EXTENSION && is_missing(workload)) {
                workload.send_some(stack.sqs(), faults).await?;
                tokio::time::sleep(faults.between(1, 12)).await;
            }
            Ok(())
        };
        tokio::select! {
            sent = send => sent,
            () = self.processes.disturb() => Ok(()),
            () = outages(faults) => Ok(()),
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

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happened(&self) -> BTreeMap<String, u64> {
        happened(&self.faults, &self.seen, &self.workload.two_contents)
    }

    fn state<'a>(&'a self, deliveries: &'a Deliveries) -> State<'a> {
        State {
            stack: &self.stack,
            workload: &self.workload,
            history: &self.history,
            receiver: &self.receiver,
            deliveries,
        }
    }

    async fn finish(self, found: Found, seed: u64) -> Result<bool, Failed> {
        // All processes end first, so that no line of their logs is missing.
        self.stack.lambda().shutdown().await;
        let begun = Instant::now();
        while !self.seen().causes.is_complete() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("function processes still run {PATIENCE:?} after the end of the stack").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let stopped = self.processes.ever_stopped();
        let repeated = {
            let seen = self.seen();
            check::repeated(&self.state(&seen.deliveries), &seen.causes, &stopped)
        };
        let nothing = repeated
            .iter()
            .filter(|((_, explanation), _)| matches!(explanation, Explanation::Nothing(_)));
        let unexplained: usize = nothing.map(|(_, count)| count).sum();
        say!("\n{}\n", report::faults(&self.happened()));
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
