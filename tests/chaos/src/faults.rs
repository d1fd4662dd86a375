//! Which request goes wrong, and how: by a rule and a seed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch;

use crate::scenario::Scenario;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The connection is cut before the request arrives.
    RequestLost,
    /// The request takes effect. The connection is cut before the reply.
    ReplyLost,
    /// The request takes effect. The connection is cut in the middle of the reply.
    ReplyCut,
    /// The request arrives a little later.
    Delayed,
    /// The request arrives after its client stopped waiting for it.
    Late,
    /// The service refuses the request for now.
    Throttled,
    /// The service fails, and does nothing.
    ServerError,
}

/// What becomes of a request to a table in an outage. It never arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    /// The connection is cut.
    Cut,
    /// A server error.
    Refused,
    /// No answer. The connection is cut when the outage is over.
    Silent,
}

/// How often.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rate {
    /// At random, one of so many.
    OneIn(u32),
    /// Exactly each of that number.
    Every(u32),
}

/// What goes wrong, and how often.
pub(crate) type Rule = (Kind, Rate);

/// The participant whose requests go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A function's requests to DynamoDB.
    Table,
    /// A function's requests to SQS.
    Queue,
    /// A function's requests to the receiver of notifications.
    Receiver,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::RequestLost => "request lost",
            Self::ReplyLost => "reply lost",
            Self::ReplyCut => "reply cut in the middle",
            Self::Delayed => "delayed",
            Self::Late => "late, after its timeout",
            Self::Throttled => "throttled",
            Self::ServerError => "server error",
        }
    }
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Queue => "queue",
            Self::Receiver => "receiver",
        }
    }
}

/// What a fault is counted as.
pub(crate) fn counted_as(target: Target, kind: Kind) -> String {
    format!("{}: {}", target.name(), kind.name())
}

/// An outage that has ended, as the scenario planned it.
pub(crate) const OUTAGE: &str = "table: outage of some seconds";
/// Seen, not caused: what an outage means for messages.
pub(crate) const FAILED_IN_OUTAGE: &str = "queue: messages returned in an outage";
pub(crate) const TWO_CONTENTS: &str = "producer: one key with two contents";
/// Seen, not caused: two messages of one key, in batches that overlap in time.
pub(crate) const TWO_CONTENTS_AT_ONCE: &str = "queue: two contents of one key at two processes at once";
pub(crate) const KILLED: &str = "process: killed at a random time";
pub(crate) const KILLED_BEFORE_REPLY: &str = "process: killed between an effect and its reply";
pub(crate) const STOPPED: &str = "process: stopped past its lease";
pub(crate) const SENT_TWICE: &str = "producer: message sent twice";
pub(crate) const DELIVERED_TWICE: &str = "queue: message delivered twice";
pub(crate) const DELETION_LOST: &str = "queue: deletion lost";
/// Seen, not caused: the consequence of a lost deletion.
pub(crate) const REDELIVERED: &str = "queue: message redelivered after it was processed";

/// The faults of the current scenario, and how many happened.
pub(crate) struct Faults {
    state: Mutex<State>,
    /// Whether the tables can't be reached now.
    out: watch::Sender<bool>,
}

struct State {
    scenario: &'static Scenario,
    random: Rng,
    /// By rule, the requests that it was applied to.
    matched: BTreeMap<(Target, Kind), u32>,
    happened: BTreeMap<String, u64>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                scenario: &crate::scenario::CALM,
                random: Rng::with_seed(seed),
                matched: BTreeMap::new(),
                happened: BTreeMap::new(),
            }),
            out: watch::Sender::new(false),
        }
    }

    pub(crate) fn begin(&self, scenario: &'static Scenario) {
        let mut state = self.state();
        state.scenario = scenario;
        state.matched.clear();
    }

    pub(crate) fn scenario(&self) -> &'static Scenario {
        self.state().scenario
    }

    /// What goes wrong with the next request. Of several rules the first that is due counts.
    pub(crate) fn next(&self, target: Target) -> Option<Kind> {
        let mut state = self.state();
        let rules = state.scenario.rules(target);
        let (kind, _) = *rules.iter().find(|(kind, rate)| state.is_due(target, *kind, *rate))?;
        state.count(&counted_as(target, kind));
        Some(kind)
    }

    /// What becomes of the next request to a table if there is an outage.
    pub(crate) fn next_out(&self) -> Option<Out> {
        if !self.is_out() {
            return None;
        }
        let (out, what) = match self.below(3) {
            0 => (Out::Cut, "table: out, connection cut"),
            1 => (Out::Refused, "table: out, server error"),
            _ => (Out::Silent, "table: out, no answer"),
        };
        self.count(what);
        Some(out)
    }

    pub(crate) fn is_out(&self) -> bool {
        *self.out.borrow()
    }

    /// Waits until there is no outage.
    pub(crate) async fn outage_over(&self) {
        // The sender is part of `self`, so it is not gone.
        let _ = self.out.subscribe().wait_for(|out| !out).await;
    }

    /// Begins an outage. It ends when the guard is dropped.
    pub(crate) fn outage(&self) -> Outage<'_> {
        self.out.send_replace(true);
        Outage(self)
    }

    /// Whether a thing happens that happens once in so many times.
    pub(crate) fn once_in(&self, times: u32) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn below(&self, limit: u32) -> u32 {
        self.state().random.u32(..limit)
    }

    pub(crate) fn between(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.state().random.u64(least..most))
    }

    pub(crate) fn count(&self, what: &str) {
        self.state().count(what);
    }

    /// How often each happened.
    pub(crate) fn happened(&self) -> BTreeMap<String, u64> {
        self.state().happened.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An outage of the tables, until it is dropped.
pub(crate) struct Outage<'a>(&'a Faults);

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        self.0.out.send_replace(false);
    }
}

impl State {
    fn is_due(&mut self, target: Target, kind: Kind, rate: Rate) -> bool {
        let matched = self.matched.entry((target, kind)).or_default();
        *matched += 1;
        match rate {
            Rate::OneIn(times) => self.random.u32(..times) == 0,
            Rate::Every(nth) => matched.is_multiple_of(nth),
        }
    }

    fn count(&mut self, what: &str) {
        *self.happened.entry(what.to_owned()).or_default() += 1;
    }
}
