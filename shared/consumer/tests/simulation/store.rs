//! The simulated store: the real decision, reached through the network.

use std::sync::Arc;
use std::time::Duration;

use idempotency::{
    Answer, Attempt, Change, Condition, Decision, Key, OwnerToken, Record, Refusal, Status, Store, StoreError,
    Timestamp, TooLarge, Write,
};

use crate::faults::Service;
use crate::mutants::{self, LATER, decide};
use crate::network::{Reply, deliver, request};
use crate::world::{State, World};

/// What a handler commits: one more of the order's item.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) item: String,
    /// Its own condition fails, with this meaning.
    pub(crate) refused: Option<Refusal>,
}

impl Write for Effect {
    type Found = ();

    fn refusal(&self, _: Option<&()>) -> Refusal {
        self.refused.clone().unwrap_or(Refusal::AlreadyDone)
    }
}

/// The result that the store has no room for.
pub(crate) const TOO_LARGE: &str = "too large";

/// The store, as one worker reaches it.
pub(crate) struct SimulatedStore {
    pub(crate) world: Arc<World>,
    pub(crate) worker: usize,
}

/// A change on its way.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) worker: usize,
    pub(crate) key: Key,
    condition: Wanted,
    pub(crate) record: Option<Record>,
    pub(crate) writes: Vec<Effect>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Free(Attempt),
    Held(OwnerToken),
    HeldUntil(OwnerToken, Timestamp),
}

impl Request {
    fn of(worker: usize, change: &Change<'_, Effect>) -> Self {
        Self {
            worker,
            key: change.key.clone(),
            condition: match change.condition {
                Condition::Free(attempt) => Wanted::Free(attempt.clone()),
                Condition::Held(owner) => Wanted::Held(owner.clone()),
                Condition::HeldUntil(owner, end) => Wanted::HeldUntil(owner.clone(), end),
            },
            record: change.record.cloned(),
            writes: change.writes.to_vec(),
        }
    }

    pub(crate) fn change(&self) -> Change<'_, Effect> {
        Change {
            key: &self.key,
            condition: match &self.condition {
                Wanted::Free(attempt) => Condition::Free(attempt),
                Wanted::Held(owner) => Condition::Held(owner),
                Wanted::HeldUntil(owner, end) => Condition::HeldUntil(owner, *end),
            },
            record: self.record.as_ref(),
            writes: &self.writes,
        }
    }

    /// The same claim by another owner; other requests stay as they are.
    pub(crate) fn with_fresh_owner(mut self) -> Self {
        if let (Wanted::Free(attempt), Some(record)) = (&mut self.condition, &mut self.record) {
            let fresh = Attempt::new(attempt.key().clone(), attempt.now(), attempt.lease_end());
            *attempt = match attempt.fingerprint() {
                Some(fingerprint) => fresh.with_fingerprint(fingerprint),
                None => fresh,
            };
            record.owner = Some(attempt.owner().clone());
        }
        self
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.record.as_ref().map(|record| record.status)
    }

    fn verb(&self) -> &'static str {
        match (self.status(), &self.condition) {
            (Some(Status::InProgress), Wanted::Free(_)) => "claim",
            (Some(Status::InProgress), _) => "extend",
            (Some(Status::Completed), Wanted::Free(_)) => "commit",
            (Some(Status::Completed), _) => "complete",
            (Some(Status::Rejected), _) => "reject",
            (None, _) => "release",
        }
    }
}

impl Store for SimulatedStore {
    type Write = Effect;

    async fn change(&self, change: Change<'_, Effect>) -> Result<Answer, StoreError> {
        let mutant = self.world.state().plan.mutant;
        let sent = mutants::requested(mutant, &self.world, Request::of(self.worker, &change));
        let id = change.key.record_id().to_owned();
        let served = sent.clone();
        if mutants::is_made_later(mutant, &sent) {
            drop(deliver(&self.world, &[LATER], Duration::ZERO, move |state| {
                state.serve(&served)
            }));
            self.world.state().answered(&sent, &Answer::Applied);
            return Ok(Answer::Applied);
        }
        self.world.state().requested(&sent);
        let reply = request(&self.world, self.worker, Service::Store, move |state| {
            state.serve(&served)
        });
        let answer = match reply.await {
            Reply::Answer(answer) => Ok(answer),
            Reply::Throttled => Err(StoreError::Throttled("simulated".into())),
            Reply::Refused => Err(StoreError::Refused("simulated".into())),
            Reply::Partial => Err(StoreError::Conflict { id: id.clone() }),
            Reply::Nothing => Err(StoreError::NoAnswer("simulated".into())),
        };
        let mut state = self.world.state();
        state.failed(&sent, &answer);
        let answer = mutants::answer(mutant, &sent, answer);
        if let Ok(answer) = &answer {
            state.answered(&sent, answer);
        }
        answer
    }

    fn check(&self, _: &Key, record: &Record, writes: &[Effect]) -> Result<(), TooLarge> {
        match record.data.as_deref() == Some(&format!("{TOO_LARGE:?}")) {
            true => Err(TooLarge::Writes {
                writes: writes.len(),
                most: 0,
            }),
            false => Ok(()),
        }
    }
}

impl State {
    /// Makes one change, as a store does.
    fn serve(&mut self, request: &Request) -> Answer {
        let id = request.key.record_id();
        let before = self.records.get(id).cloned();
        let change = request.change();
        let mutant = self.plan.mutant;
        let answer = match decide(mutant, before.as_ref(), &change) {
            Decision::Answer(answer) => answer,
            Decision::Apply => {
                let refused = request.writes.iter().filter(|write| write.refused.is_some());
                match Refusal::combine(refused.map(|write| write.refusal(Some(&())))) {
                    Some(refusal) => Answer::WriteRefused(refusal),
                    None => {
                        match mutants::stored(mutant, request.record.as_ref()) {
                            Some(record) => self.records.insert(id.to_owned(), record),
                            None => self.records.remove(id),
                        };
                        Answer::Applied
                    }
                }
            }
        };
        let changed = self.records.get(id) != before.as_ref();
        let claims = matches!(change.condition, Condition::Free(_));
        if changed && claims && before.as_ref().is_some_and(|before| self.expired(before)) {
            self.forgotten(id);
        }
        if changed || mutants::commits_copies(mutant, &answer) {
            request.writes.iter().for_each(|write| self.committed(&write.item));
        }
        let (worker, verb, owner) = (request.worker, request.verb(), self.owner(change.condition.owner()));
        self.note(format_args!(
            "store: {verb} {id} by owner {owner} of w{worker}: {}",
            brief(&answer)
        ));
        self.check_change(request, before.as_ref(), &answer);
        answer
    }
}

/// An answer without owner tokens, which are random.
pub(crate) fn brief(answer: &Answer) -> String {
    use idempotency::Existing;
    match answer {
        Answer::NotFree(Existing::InProgress { .. }) => "in progress".to_owned(),
        Answer::NotFree(Existing::Completed { outgoing, .. }) => format!("completed, {} outgoing", outgoing.len()),
        Answer::NotFree(Existing::OtherPayload { .. }) => "other payload".to_owned(),
        answer => format!("{answer:?}"),
    }
}
