//! What has happened in a history, as far as promises depend on it.

use std::collections::{BTreeMap, BTreeSet};

use idempotency::{OwnerToken, Record, Status, Timestamp};
use tokio::time::Instant;

use crate::promises::SKEW;
use crate::world::State;

/// What has happened, as far as promises depend on it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// IDs of messages whose dead letter was accepted.
    pub(crate) dead_letters: BTreeSet<String>,
    /// Those of them that failed at their last receive, each with its reason. Their work may be done all the same, or be done
    /// later.
    pub(crate) failed_last: BTreeMap<String, String>,
    /// Items that exist although no completion of ours was committed.
    pub(crate) existing: BTreeSet<String>,
    /// How often writes of an item were committed.
    pub(crate) commits: BTreeMap<String, u32>,
    /// The same, when its record expired and was replaced: promise 6 begins anew then.
    pub(crate) committed_before: BTreeMap<String, u32>,
    /// The statuses that records have had.
    pub(crate) had: BTreeSet<(String, &'static str)>,
    /// The keys under which each confirmation was accepted.
    pub(crate) sent: BTreeMap<(String, u32, u32), BTreeSet<String>>,
    pub(crate) runs: Vec<Run>,
    /// The claims that a worker was granted on a record: owner, and end of the lease by its clock.
    pub(crate) grants: BTreeMap<(usize, String), Vec<(OwnerToken, Timestamp)>>,
    pub(crate) effects: BTreeMap<(usize, String), usize>,
    /// When a request to settle a record failed, and may succeed if it is sent again; no other followed.
    pub(crate) unanswered: BTreeMap<(usize, String), Instant>,
    /// Records about which the ledger answered a worker.
    pub(crate) answered: BTreeSet<(usize, String)>,
    /// The same, if it answered that the key was used for another payload. That record may be released since.
    pub(crate) refused_payloads: BTreeSet<(usize, String)>,
    /// Messages whose handler returned a completion to a worker.
    pub(crate) succeeded: BTreeSet<(usize, String)>,
}

/// A run of a handler.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) worker: usize,
    pub(crate) message: String,
    pub(crate) record: String,
    pub(crate) running: bool,
}

impl State {
    /// Whether a record may have expired by a clock.
    pub(crate) fn expired(&self, record: &Record) -> bool {
        let apart = if self.plan.beyond { SKEW * 30 } else { SKEW };
        record.expiration_seconds < self.time().plus(apart).seconds()
    }

    /// An expired record is replaced: what was committed with it counts no longer.
    pub(crate) fn forgotten(&mut self, id: &str) {
        let commits = self.facts.commits.get(id).copied().unwrap_or_default();
        self.facts.committed_before.insert(id.to_owned(), commits);
    }

    /// Whether a record once had a status, and has since expired, or may have.
    pub(crate) fn had_expiring(&self, id: &str, status: Status) -> bool {
        self.plan.retention.is_some() && self.facts.had.contains(&(id.to_owned(), status.word()))
    }
}
