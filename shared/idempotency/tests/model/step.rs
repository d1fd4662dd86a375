//! One request of the real ledger, on the record of a model.

use std::future::Future;
use std::pin::pin;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use idempotency::{
    Answer, Attempt, Change, Claim, Completion, Decision, Existing, Hold, Key, Lease, Ledger, NoWrites, OwnerToken,
    Record, Settled, Status, Store, StoreError, Timestamp, TooLarge,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::world::{Entry, Reply, Request, Tick, Try};

/// The decision under test: the real [`idempotency::decide`], or a mutant of it.
pub(crate) type Decide = fn(Option<&Record>, &Change<'_, NoWrites>) -> Decision;

/// What a request did.
pub(crate) struct Step {
    pub(crate) reply: Reply,
    pub(crate) record: Option<Entry>,
    /// Whether this copy of the request changed the record.
    pub(crate) changed: bool,
}

/// Sends the request of an attempt to a ledger whose only record is this one.
pub(crate) fn step(decide: Decide, retention: Tick, record: Option<&Entry>, by: &Try, request: Request) -> Step {
    let attempt = attempt(by, retention);
    let owner = attempt.owner().clone();
    let before = record.map(|entry| to_record(entry, by, &owner));
    let store = OneRecord::new(decide, before);
    let ledger = Ledger::new(store);
    let reply = match request {
        Request::Claim => claimed(ready(ledger.claim(&attempt, later()))),
        Request::Commit => settled(ready(complete(&ledger, attempt.into()))),
        Request::Complete => settled(ready(complete(&ledger, lease(&attempt).into()))),
        Request::Release => settled(ready(ledger.release(lease(&attempt), later()))),
        Request::Reject => settled(ready(ledger.reject(lease(&attempt), "why", later()))),
        Request::Extend { lease_end, .. } => {
            match ready(ledger.extend(&mut lease(&attempt), instant(lease_end), later())) {
                Ok(true) => Reply::Done,
                Ok(false) => Reply::Lost,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let after = ledger.store().state();
    Step {
        reply,
        record: after.record.as_ref().map(|record| to_entry(record, by, &owner)),
        changed: after.changed,
    }
}

async fn complete(ledger: &Ledger<OneRecord>, hold: Hold) -> Result<Settled<Sealed>, StoreError> {
    let sealed = ledger.seal(hold, Completion::new()).unwrap();
    ledger.complete(sealed, later()).await
}

type Sealed = idempotency::Sealed<NoWrites>;

fn claimed(claim: Result<Claim, StoreError>) -> Reply {
    match claim.unwrap() {
        Claim::Granted(_) => Reply::Done,
        Claim::NotFree(existing) => Reply::of(&existing),
    }
}

fn settled<H>(settled: Result<Settled<H>, StoreError>) -> Reply {
    match settled.unwrap() {
        Settled::Done => Reply::Done,
        Settled::Lost => Reply::Lost,
        Settled::NotFree(_, existing) => Reply::of(&existing),
        Settled::Refused(..) => panic!("a request without writes and rivals is not refused"),
    }
}

impl Reply {
    fn of(existing: &Existing) -> Self {
        match existing {
            Existing::Completed { .. } => Self::Completed,
            Existing::Rejected(_) => Self::Rejected,
            Existing::InProgress { .. } => Self::InProgress,
            Existing::OtherPayload { .. } => Self::OtherPayload,
        }
    }
}

fn attempt(by: &Try, retention: Tick) -> Attempt {
    let key = Key::new("model", "key").unwrap();
    let attempt = Attempt::new(key, instant(by.now), instant(by.lease_end));
    let seconds = u64::try_from(retention).unwrap();
    let attempt = attempt.with_retention(Duration::from_secs(seconds));
    match by.payload {
        Some(payload) => attempt.with_fingerprint(payload),
        None => attempt,
    }
}

/// The lease that the attempt was granted. Only a claim makes one: here of a key that is free.
fn lease(attempt: &Attempt) -> Lease {
    let free = Ledger::new(OneRecord::new(idempotency::decide, None));
    match ready(free.claim(attempt, later())).unwrap() {
        Claim::Granted(lease) => lease,
        Claim::NotFree(existing) => panic!("a free key is not free: {existing:?}"),
    }
}

/// A tick is a second: as long as the margin for clocks, and the unit of a record's expiry.
fn instant(tick: Tick) -> Timestamp {
    Timestamp::from_millis((1_000_000 + u64::try_from(tick).unwrap()) * 1000)
}

fn tick(seconds: u64) -> Tick {
    Tick::try_from(seconds - 1_000_000).unwrap()
}

fn to_record(entry: &Entry, by: &Try, owner: &OwnerToken) -> Record {
    Record {
        status: entry.status(),
        owner: Some(match entry.owner == by.id {
            true => owner.clone(),
            false => OwnerToken::from(entry.owner.to_string()),
        }),
        lease_end: entry.lease_end.map(instant),
        expiration_seconds: instant(entry.expires).seconds(),
        fingerprint: entry.payload.map(str::to_owned),
        data: None,
        outgoing: Vec::new(),
        reason: None,
    }
}

fn to_entry(record: &Record, by: &Try, owner: &OwnerToken) -> Entry {
    let of = record.owner.as_ref().unwrap();
    Entry {
        word: record.status.word(),
        owner: if of == owner {
            by.id
        } else {
            of.as_str().parse().unwrap()
        },
        lease_end: record.lease_end.map(|end| tick(end.seconds())),
        expires: tick(record.expiration_seconds),
        payload: ["a", "b"]
            .into_iter()
            .find(|payload| record.fingerprint.as_deref() == Some(payload)),
    }
}

impl Entry {
    pub(crate) fn status(&self) -> Status {
        Status::from_word(self.word).unwrap()
    }
}

/// A store with one record, which is changed as `decide` allows.
struct OneRecord {
    decide: Decide,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    record: Option<Record>,
    changed: bool,
}

impl OneRecord {
    fn new(decide: Decide, record: Option<Record>) -> Self {
        let state = Mutex::new(State { record, changed: false });
        Self { decide, state }
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store for OneRecord {
    type Write = NoWrites;

    async fn change(&self, change: Change<'_, NoWrites>) -> Result<Answer, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.decide)(state.record.as_ref(), &change) {
            Decision::Answer(answer) => Ok(answer),
            Decision::Apply => {
                state.record = change.record.cloned();
                state.changed = true;
                Ok(Answer::Applied)
            }
        }
    }

    fn check(&self, _: &Key, _: &Record, _: &[NoWrites]) -> Result<(), TooLarge> {
        Ok(())
    }
}

/// No request is repeated here: its store answers at once.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// The output of a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    // A deadline needs a clock to end at.
    static CLOCK: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());
    let _clock = CLOCK.enter();
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the store of the model answers at once"),
    }
}
