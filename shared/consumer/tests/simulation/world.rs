//! What all parts of a simulated system share: the time, the services' state, and what has happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use idempotency::{OwnerToken, Record, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::facts::Facts;
use crate::faults::{FAULTS, Fate, Fault, Service};
use crate::plan::Plan;
use crate::promises::Violation;
use crate::queue::Queue;

/// The time of day at which each history begins.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// How often something happened, by its name in the report.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

pub(crate) struct World {
    state: Mutex<State>,
    /// Something happened that a part may wait for.
    pub(crate) changed: Notify,
}

pub(crate) struct State {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) started: Instant,
    pub(crate) trace: String,
    pub(crate) steps: u64,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<Violation>,
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) queues: BTreeMap<&'static str, Queue>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) facts: Facts,
    /// Requests that the network has not delivered yet, workers that have not ended, and the producer.
    pub(crate) pending: usize,
    pub(crate) messages: usize,
    owners: Vec<OwnerToken>,
}

/// One invocation of a function with a batch.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) function: usize,
    /// How far its clock is ahead.
    pub(crate) ahead: Duration,
    pub(crate) started: Instant,
    /// Until when it is stopped; it was never stopped if there is none.
    pub(crate) stalled_until: Option<Instant>,
}

impl World {
    pub(crate) fn new(plan: Plan, rng: Rng) -> Arc<Self> {
        let mut queues = BTreeMap::new();
        for function in &plan.functions {
            let queue = Queue::new(function.ordered, function.visibility, function.max_receives);
            queues.insert(function.queue, queue);
        }
        let state = State {
            plan,
            rng,
            started: Instant::now(),
            trace: String::new(),
            steps: 0,
            counts: Counts::new(),
            violation: None,
            records: BTreeMap::new(),
            queues,
            workers: Vec::new(),
            facts: Facts::default(),
            // The producer.
            pending: 1,
            messages: 0,
            owners: Vec::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    /// A panic of a simulated handler leaves no half change behind: none happens under the lock.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass for a worker, and more if it is stopped meanwhile.
    pub(crate) async fn pause(&self, worker: usize, duration: Duration) {
        if !duration.is_zero() {
            sleep(duration).await;
        }
        loop {
            let until = self.state().workers[worker].stalled_until;
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }
}

impl State {
    /// Time since the history began.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The true time of day.
    pub(crate) fn time(&self) -> Timestamp {
        BEGINNING.plus(self.now())
    }

    /// Adds a line to the trace. Each is a step of the history.
    pub(crate) fn note(&mut self, text: std::fmt::Arguments<'_>) {
        self.steps += 1;
        let seconds = self.now().as_secs_f64();
        let _ = writeln!(self.trace, "{seconds:>9.3} {text}");
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        self.count_all(what, 1);
    }

    pub(crate) fn count_all(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    /// The number of an owner token: tokens are random, but only whether two are the same has an effect.
    pub(crate) fn owner(&mut self, owner: &OwnerToken) -> usize {
        match self.owners.iter().position(|known| known == owner) {
            Some(at) => at,
            None => {
                self.owners.push(owner.clone());
                self.owners.len() - 1
            }
        }
    }

    /// Whether the store had a request of this owner.
    pub(crate) fn knows(&self, owner: &OwnerToken) -> bool {
        self.owners.contains(owner)
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.now() >= self.plan.calm_at
    }

    pub(crate) fn fate(&mut self, service: Service) -> Fate {
        if self.is_calm() {
            return Fate::Answered;
        }
        let now = self.now();
        let (fate, name) = self.plan.rates.fate(&mut self.rng, service, now);
        name.into_iter().for_each(|name| self.count(name));
        fate
    }

    /// Whether to try a fault. It counts once it has happened.
    pub(crate) fn draws(&mut self, fault: Fault) -> bool {
        !self.is_calm() && self.plan.rates.occurs(&mut self.rng, fault)
    }

    pub(crate) fn happened(&mut self, fault: Fault) {
        self.count(FAULTS[fault as usize].1);
    }

    /// Whether a fault happens now.
    pub(crate) fn occurs(&mut self, fault: Fault) -> bool {
        let occurs = self.draws(fault);
        if occurs {
            self.happened(fault);
        }
        occurs
    }

    /// A random duration up to this one.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        let millis = u64::try_from(most.as_millis()).unwrap();
        Duration::from_millis(self.rng.u64(..=millis))
    }
}
