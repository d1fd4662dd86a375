//! A handler that does what its message states, and a record of its runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use consumer::{Delivery, Failure, Handler};
use idempotency::{Completion, NoWrites};
use tokio::time::{Instant, sleep};

/// How long each run of a message takes, in milliseconds, and how the first runs end. Later runs succeed.
pub(super) type Plan = (u64, Vec<End>);

/// How a run ends: the milliseconds of a retry, or [`PERMANENT`].
pub(super) type End = i64;

/// A failure that no retry changes.
pub(super) const PERMANENT: End = -1;

pub(super) struct Scripted(pub(super) Arc<Log>);

impl Handler for Scripted {
    type Message = Plan;
    type Write = NoWrites;
    const NAMESPACE: &str = "scripted";

    async fn handle(&self, (millis, ends): Plan, delivery: &Delivery) -> Result<Completion, Failure> {
        let (run, number) = self.0.begin(delivery.message_id());
        delivery.metrics().count("Handled", 1);
        sleep(Duration::from_millis(millis)).await;
        run.complete();
        match ends.get(number) {
            None => Ok(Completion::new()),
            Some(&PERMANENT) => Err(Failure::permanent("never")),
            Some(millis) => Err(Failure::retry_after(
                Duration::from_millis(millis.unsigned_abs()),
                "later",
            )),
        }
    }
}

/// A run of the handler.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
    /// It was not cancelled.
    pub(super) is_complete: bool,
}

#[derive(Default)]
pub(super) struct Log(Mutex<State>);

#[derive(Default)]
struct State {
    runs: Vec<Run>,
    /// How often each message was run.
    counts: HashMap<String, usize>,
    load: Load,
    /// What must never happen.
    violations: Vec<String>,
}

/// Handlers that run, and messages that receives may still return.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Load {
    pub(super) running: usize,
    pub(super) expected: usize,
    pub(super) polls: usize,
    pub(super) most: usize,
    pub(super) most_polls: usize,
}

impl Log {
    fn begin(self: &Arc<Self>, id: &str) -> (Running, usize) {
        let mut state = self.state();
        let is_running = |run: &&Run| run.id == id && run.ended.is_none();
        if state.load.running > 0 && state.runs.iter().any(|run| is_running(&run)) {
            state.violations.push(format!("two handlers of {id} at a time"));
        }
        state.runs.push(Run {
            id: id.to_owned(),
            began: Instant::now(),
            ended: None,
            is_complete: false,
        });
        let index = state.runs.len() - 1;
        let count = state.counts.entry(id.to_owned()).or_default();
        *count += 1;
        let number = *count - 1;
        state.load.running += 1;
        state.load.measure();
        let log = Arc::clone(self);
        (Running { log, index }, number)
    }

    /// A receive began that may return this many messages.
    pub(super) fn poll_begins(&self, max: usize) {
        let load = &mut self.state().load;
        (load.expected, load.polls) = (load.expected + max, load.polls + 1);
        load.measure();
    }

    pub(super) fn poll_ends(&self, max: usize) {
        let load = &mut self.state().load;
        (load.expected, load.polls) = (load.expected - max, load.polls - 1);
    }

    pub(super) fn load(&self) -> Load {
        self.state().load
    }

    pub(super) fn runs(&self) -> Vec<Run> {
        self.state().runs.clone()
    }

    /// The messages that were run, in order.
    pub(super) fn ids(&self) -> Vec<String> {
        self.state().runs.iter().map(|run| run.id.clone()).collect()
    }

    pub(super) fn violation(&self, what: String) {
        self.state().violations.push(what);
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Load {
    fn measure(&mut self) {
        self.most = self.most.max(self.running + self.expected);
        self.most_polls = self.most_polls.max(self.polls);
    }
}

/// A run, until it is dropped.
struct Running {
    log: Arc<Log>,
    index: usize,
}

impl Running {
    fn complete(self) {
        self.log.state().runs[self.index].is_complete = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.log.state();
        state.runs[self.index].ended = Some(Instant::now());
        state.load.running -= 1;
    }
}
