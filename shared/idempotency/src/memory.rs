//! A store in memory, for tests without a network and for tests of a store that fails.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Answer, Change, Key, NoWrites, Record, Refusal, Status, Store, StoreError, TooLarge, Write};
use crate::{Decision, decide};

/// Records in memory, changed by [`decide`] under one lock.
///
/// Writes are not applied to any table but kept, in order, for a test to look at. No write is refused unless a test
/// [requests](Self::inject) it. There is no limit on sizes unless one is [set](Self::with_max_record_bytes).
#[derive(Debug)]
pub struct MemoryStore<W: Write = NoWrites> {
    state: Mutex<State<W>>,
    max_record_bytes: usize,
}

#[derive(Debug)]
struct State<W: Write> {
    records: HashMap<String, Record>,
    committed: Vec<W>,
    faults: Vec<Fault<W::Found>>,
    requests: usize,
}

/// What a store may do instead of answering. Each occurs once, at the first change that it fits.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault<F> {
    /// The next change into this status (`None`: the next release) never reaches the store.
    Unreachable(Option<Status>),
    /// It is refused, and would be again: a permission is missing.
    Refused(Option<Status>),
    /// It is applied, but the reply is lost.
    ReplyLost(Option<Status>),
    /// It is never answered.
    Hangs(Option<Status>),
    /// The next change with writes conflicts with another request at one of their items.
    Conflict,
    /// The next change without writes conflicts with another request at the record.
    RecordConflict,
    /// In the next change with writes, the condition of one of them fails.
    WriteRefused {
        /// Which write, counted from zero.
        write: usize,
        /// What fails it; `None`: nothing is there.
        found: Option<F>,
    },
}

impl<W: Write + Clone> Default for MemoryStore<W> {
    fn default() -> Self {
        let state = State {
            records: HashMap::new(),
            committed: Vec::new(),
            faults: Vec::new(),
            requests: 0,
        };
        Self {
            state: Mutex::new(state),
            max_record_bytes: usize::MAX,
        }
    }
}

impl<W: Write + Clone> MemoryStore<W> {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allow a completed record only this many bytes of text: key, result, and outgoing messages as JSON.
    #[must_use]
    pub fn with_max_record_bytes(self, max_record_bytes: usize) -> Self {
        Self {
            max_record_bytes,
            ..self
        }
    }

    /// Makes the store fail once.
    pub fn inject(&self, fault: Fault<W::Found>) {
        self.state().faults.push(fault);
    }

    /// The record of a key, if there is one.
    pub fn record(&self, key: &Key) -> Option<Record> {
        self.state().records.get(key.record_id()).cloned()
    }

    /// All writes that were committed, in order.
    pub fn committed(&self) -> Vec<W> {
        self.state().committed.clone()
    }

    /// How many changes were requested.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// A panic of another test thread can't leave half a change behind, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Clone> Store for MemoryStore<W> {
    type Write = W;

    async fn change(&self, change: Change<'_, W>) -> Result<Answer, StoreError> {
        let answer = self.state().answer(&change);
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn check(&self, key: &Key, record: &Record, _: &[W]) -> Result<(), TooLarge> {
        let data = record.data.as_ref().map_or(0, String::len);
        let outgoing = serde_json::to_string(&record.outgoing).map_or(0, |json| json.len());
        let bytes = key.record_id().len() + data + outgoing;
        match bytes > self.max_record_bytes {
            true => Err(TooLarge::Record {
                bytes,
                most: self.max_record_bytes,
            }),
            false => Ok(()),
        }
    }
}

impl<W: Write + Clone> State<W> {
    /// The answer to a change; `None`: it never comes.
    fn answer(&mut self, change: &Change<'_, W>) -> Option<Result<Answer, StoreError>> {
        self.requests += 1;
        let at = self.faults.iter().position(|fault| fault.fits(change));
        let fault = at.map(|at| self.faults.remove(at));
        let no_answer = || Err(StoreError::NoAnswer("injected".into()));
        match &fault {
            Some(Fault::Hangs(_)) => return None,
            Some(Fault::Unreachable(_)) => return Some(no_answer()),
            Some(Fault::Refused(_)) => return Some(Err(StoreError::Refused("injected".into()))),
            _ => {}
        }
        let answer = match self.refused(change, fault.as_ref()) {
            Some(refused) => refused,
            None => {
                self.store(change);
                Ok(Answer::Applied)
            }
        };
        Some(match fault {
            Some(Fault::ReplyLost(_)) => no_answer(),
            _ => answer,
        })
    }

    /// What keeps the change from being applied, if anything does.
    fn refused(&self, change: &Change<'_, W>, fault: Option<&Fault<W::Found>>) -> Option<Result<Answer, StoreError>> {
        match (decide(self.records.get(change.key.record_id()), change), fault) {
            (Decision::Answer(answer), _) => Some(Ok(answer)),
            (Decision::Apply, Some(Fault::Conflict | Fault::RecordConflict)) => Some(Err(StoreError::Conflict {
                id: change.key.record_id().to_owned(),
            })),
            (Decision::Apply, Some(Fault::WriteRefused { write, found })) => {
                let refused = change.writes.get(*write).map(|write| write.refusal(found.as_ref()));
                Refusal::combine(refused).map(|refusal| Ok(Answer::WriteRefused(refusal)))
            }
            (Decision::Apply, _) => None,
        }
    }

    fn store(&mut self, change: &Change<'_, W>) {
        let id = change.key.record_id().to_owned();
        match change.record {
            Some(record) => self.records.insert(id, record.clone()),
            None => self.records.remove(&id),
        };
        self.committed.extend_from_slice(change.writes);
    }
}

impl<F> Fault<F> {
    fn fits<W>(&self, change: &Change<'_, W>) -> bool {
        match self {
            Self::Unreachable(into) | Self::Refused(into) | Self::ReplyLost(into) | Self::Hangs(into) => {
                *into == change.record.map(|record| record.status)
            }
            Self::Conflict => !change.writes.is_empty(),
            Self::RecordConflict => change.writes.is_empty(),
            Self::WriteRefused { write, .. } => *write < change.writes.len(),
        }
    }
}
