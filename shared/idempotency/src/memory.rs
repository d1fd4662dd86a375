//! A ledger in memory: the same protocol for tests that need no network, and that want to see a store misbehave.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::completion::combine;
use crate::{Answer, Change, Decision, Item, Key, Ledger, LedgerError, Record, Status, decide};

/// Records in memory, changed by [`decide`] under one lock.
///
/// Writes are not applied to any table but kept, in order, for a test to look at; whether one is refused is for the test
/// to [say](Self::inject).
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: HashMap<String, Record>,
    committed: Vec<TransactWriteItem>,
    faults: Vec<Fault>,
    requests: usize,
}

/// What a store may do instead of answering. Each strikes once, at the first change it fits.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The next change into this status (`None`: the next release) never reaches the store.
    Unreachable(Option<Status>),
    /// It is applied, but the reply is lost.
    ReplyLost(Option<Status>),
    /// It is never answered.
    Hangs(Option<Status>),
    /// The next change with writes meets another request at one of their items.
    Conflict,
    /// The next change without writes meets another request at the record.
    RecordConflict,
    /// The next change with writes meets an item that fails the condition of one of them.
    WriteRefused {
        /// Which write, counted from zero.
        write: usize,
        /// The item that is there.
        item: Option<Item>,
    },
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the store misbehave once.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// The record of a key, if there is one.
    pub fn record(&self, key: &Key) -> Option<Record> {
        self.state().records.get(key.record_id()).cloned()
    }

    /// Puts a record there, as if it had been made before.
    pub fn insert(&self, key: &Key, record: Record) {
        self.state().records.insert(key.record_id().to_owned(), record);
    }

    /// All writes that were committed, in order.
    pub fn committed(&self) -> Vec<TransactWriteItem> {
        self.state().committed.clone()
    }

    /// How many changes were asked for.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// A panic of another test thread can't leave half a change behind, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    async fn change(&self, change: Change<'_>) -> Result<Answer, LedgerError> {
        let (fault, answer) = self.state().apply(&change);
        match fault {
            Some(Fault::Unreachable(_) | Fault::ReplyLost(_)) => Err(LedgerError::NoAnswer("injected".into())),
            Some(Fault::Hangs(_)) => std::future::pending().await,
            _ => Ok(answer),
        }
    }
}

impl State {
    fn apply(&mut self, change: &Change<'_>) -> (Option<Fault>, Answer) {
        self.requests += 1;
        let fault = self
            .faults
            .iter()
            .position(|fault| fault.strikes(change))
            .map(|at| self.faults.remove(at));
        if matches!(fault, Some(Fault::Unreachable(_) | Fault::Hangs(_))) {
            return (fault, Answer::Conflict);
        }
        let answer = self.decided(change, fault.as_ref());
        if answer.is_none() {
            self.store(change);
        }
        (fault, answer.unwrap_or(Answer::Applied))
    }

    /// What keeps the change from being applied, if anything does.
    fn decided(&self, change: &Change<'_>, fault: Option<&Fault>) -> Option<Answer> {
        let decision = decide(self.records.get(change.key.record_id()), change);
        match (decision, fault) {
            (Decision::Apply, Some(Fault::Conflict | Fault::RecordConflict)) => Some(Answer::Conflict),
            (Decision::Apply, Some(Fault::WriteRefused { write, item })) => {
                combine(change.writes.get(*write).map(|write| write.refusal(item.as_ref()))).map(Answer::WriteRefused)
            }
            (decision, _) => Answer::to(decision),
        }
    }

    fn store(&mut self, change: &Change<'_>) {
        let id = change.key.record_id().to_owned();
        match change.record.clone() {
            Some(record) => self.records.insert(id, record),
            None => self.records.remove(&id),
        };
        self.committed
            .extend(change.writes.iter().map(|write| write.action().clone()));
    }
}

impl Fault {
    fn strikes(&self, change: &Change<'_>) -> bool {
        match self {
            Self::Unreachable(into) | Self::ReplyLost(into) | Self::Hangs(into) => {
                *into == change.record.as_ref().map(|record| record.status)
            }
            Self::Conflict => !change.writes.is_empty(),
            Self::RecordConflict => change.writes.is_empty(),
            Self::WriteRefused { write, .. } => *write < change.writes.len(),
        }
    }
}
