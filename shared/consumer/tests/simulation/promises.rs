//! The promises, checked after each step. They are stated again here, from what was requested and what happened: nothing of
//! the code under test decides whether it is right.

use std::time::Duration;

use idempotency::{Answer, Condition, Existing, Record, Status, Timestamp};

use crate::facts::Run;
use crate::mutants::Mutant;
use crate::plan::{Action, Content, Kind};
use crate::queue::Message;
use crate::store::{Request, brief};
use crate::world::{BEGINNING, State};

/// How far apart clocks may be for promise 1.
pub(crate) const SKEW: Duration = Duration::from_secs(1);

pub(crate) const ONE_HOLDER: &str = "promise 1: at most one holder of an unexpired lease per key";
pub(crate) const NO_ZOMBIE: &str = "promise 2: a holder whose claim was taken over can change nothing";
pub(crate) const FINAL: &str = "promise 3: a completed record is never replaced before it expires";
pub(crate) const KNOWS_ITSELF: &str =
    "promise 4: a request that is sent again is answered as if the first reply had arrived";
pub(crate) const ACKNOWLEDGED: &str =
    "promise 5: acknowledged only if completed with its messages sent, or its dead letter is confirmed";
pub(crate) const REASON: &str = "dead letters: each that a function sent states why it failed";
pub(crate) const ONCE: &str =
    "promise 6: writes are committed at most once per key, and exactly once if acknowledged as done";
pub(crate) const LEDGER: &str =
    "promise 7: without the ledger nothing is committed or acknowledged, and no handler that needs a claim runs";
pub(crate) const PAYLOAD: &str = "promise 8: a business key with another payload is an error";
pub(crate) const ORDER: &str = "order: a message starts only when all before it in its group are settled";
pub(crate) const EFFECT: &str = "effects: at most one per granted lease";
pub(crate) const OUTGOING: &str =
    "outgoing: an accepted order's confirmations are sent after it is recorded, at least once";
pub(crate) const ONE_KEY: &str = "outgoing: each confirmation is always sent under one key";
pub(crate) const RECEIVED: &str = "outgoing: each confirmation is completed once in a receiver with a ledger";
pub(crate) const IN_TIME: &str =
    "budget: handlers are cancelled in time, and the verdicts are returned before the deadline";
pub(crate) const SENT_AGAIN: &str =
    "ledger: a completion, rejection or release is sent again until it is answered or the time is up";
pub(crate) const NONE_LOST: &str = "none lost: each message ends acknowledged or in the dead-letter queue";

/// A promise that a history broke.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) promise: &'static str,
    pub(crate) detail: String,
}

impl State {
    /// Notes a broken promise. The first one counts.
    pub(crate) fn broken(&mut self, promise: &'static str, detail: impl Into<String>) {
        if promise == ONE_HOLDER && self.plan.beyond && self.plan.mutant != Some(Mutant::ClocksBeyondTheMargin) {
            return;
        }
        let detail = detail.into();
        self.note(format_args!("BROKEN {promise}: {detail}"));
        self.violation.get_or_insert(Violation { promise, detail });
    }

    pub(crate) fn kind(&self, worker: usize) -> Kind {
        self.plan.functions[self.workers[worker].function].kind
    }

    /// A message that a worker received.
    pub(crate) fn message(&self, worker: usize, id: &str) -> &Message {
        let queue = self.plan.functions[self.workers[worker].function].queue;
        self.queues[queue]
            .messages
            .iter()
            .find(|message| message.id == id)
            .unwrap()
    }

    /// A handler starts: what it does.
    pub(crate) fn start(&mut self, worker: usize, id: &str) -> (usize, Action) {
        let queue = self.plan.functions[self.workers[worker].function].queue;
        let messages = &mut self.queues.get_mut(queue).unwrap().messages;
        let message = messages.iter_mut().find(|message| message.id == id).unwrap();
        let action = message.script.get(message.runs).copied().unwrap_or(Action::Succeed);
        message.runs += 1;
        let record = message.record.clone();
        self.count(action.name());
        self.note(format_args!("w{worker} {id}: handler starts: {action:?}"));
        self.check_order(worker, id);
        let claims = !matches!(self.kind(worker), Kind::OneStep | Kind::Natural);
        if claims && !self.facts.grants.contains_key(&(worker, record.clone())) {
            let detail = format!("the handler of {id} runs in w{worker} without a claim of {record}");
            self.broken(LEDGER, detail);
        }
        self.facts.runs.push(Run {
            worker,
            message: id.to_owned(),
            record,
            running: true,
        });
        (self.facts.runs.len() - 1, action)
    }

    pub(crate) fn succeeded(&mut self, worker: usize, run: usize) {
        let id = self.facts.runs[run].message.clone();
        self.note(format_args!("w{worker} {id}: handler succeeds"));
        self.facts.succeeded.insert((worker, id));
    }

    /// A handler ends, or is cancelled.
    pub(crate) fn ended(&mut self, run: usize) {
        let run = &mut self.facts.runs[run];
        run.running = false;
        let worker = run.worker;
        self.check_in_time(worker, |ends| ends.handlers);
    }

    /// The external effect of a handler.
    pub(crate) fn effect(&mut self, worker: usize, run: usize) {
        let Run { message, record, .. } = &self.facts.runs[run];
        let (id, at) = (message.clone(), (worker, record.clone()));
        self.note(format_args!("w{worker} {id}: external effect"));
        if matches!(self.kind(worker), Kind::OneStep | Kind::Natural) {
            return;
        }
        let effects = self.facts.effects.entry(at.clone()).or_default();
        *effects += 1;
        let (effects, leases) = (*effects, self.facts.grants.get(&at).map_or(0, Vec::len));
        if effects > leases {
            return self.broken(
                EFFECT,
                format!("{effects} effects of {} in w{worker}, {leases} leases", at.1),
            );
        }
        self.check_holder(worker, &at.1);
    }

    /// A worker works on a key: nobody else may, while its lease may not be over by any clock.
    fn check_holder(&mut self, worker: usize, record: &str) {
        let grants = &self.facts.grants[&(worker, record.to_owned())];
        let is_over = grants.last().is_none_or(|(_, end)| self.time().plus(SKEW) > *end);
        let holds = self.records.get(record).is_some_and(|there| {
            there.status == Status::InProgress && grants.iter().any(|(owner, _)| there.owner.as_ref() == Some(owner))
        });
        let stalled = |worker: usize| self.workers[worker].stalled_until.is_some();
        let runs = self.facts.runs.iter().filter(|run| run.running && run.record == record);
        let rivals = runs.filter(|run| run.worker != worker && !stalled(run.worker)).count();
        let detail = match (stalled(worker), is_over, holds) {
            (false, true, _) => "its lease may be over",
            (_, false, false) => "the record is not its claim",
            (false, ..) if rivals > 0 => "another worker does, too",
            _ => return,
        };
        self.broken(ONE_HOLDER, format!("w{worker} works on {record}: {detail}"));
    }

    /// A write of an item was committed.
    pub(crate) fn committed(&mut self, item: &str) {
        let commits = self.facts.commits.entry(item.to_owned()).or_default();
        *commits += 1;
        let commits = *commits - self.facts.committed_before.get(item).copied().unwrap_or_default();
        if commits > 1 {
            self.broken(ONCE, format!("the writes of {item} are committed {commits} times"));
        }
    }

    /// The store made, or refused, a change.
    pub(crate) fn check_change(&mut self, request: &Request, before: Option<&Record>, answer: &Answer) {
        let (id, change) = (request.key.record_id(), request.change());
        let owner = change.condition.owner();
        let changed = self.records.get(id) != before;
        let mine = before.is_some_and(|record| record.owner.as_ref() == Some(owner));
        let asks_for_what_is = mine && before.map(|record| record.status) == request.status();
        if asks_for_what_is && *answer != Answer::Applied {
            self.broken(
                KNOWS_ITSELF,
                format!("{id}: the copy of an applied request is answered: {}", brief(answer)),
            );
        }
        if let Answer::NotFree(Existing::OtherPayload { .. }) = answer {
            let ours = request.record.as_ref().and_then(|record| record.fingerprint.as_ref());
            if before.is_none_or(|record| record.fingerprint.as_ref() == ours) {
                self.broken(PAYLOAD, format!("{id}: its own payload is taken for another"));
            }
        }
        if !changed {
            return;
        }
        if let Some(before) = before {
            self.check_replaced(request, before, mine);
        }
        if let Some(status) = request.status() {
            self.facts.had.insert((id.to_owned(), status.word()));
        }
        if let (Some(Status::InProgress), Condition::Free(_)) = (request.status(), change.condition) {
            let end = self.records[id].lease_end.unwrap();
            self.check_lease(request.worker, id, end);
            let grant = (owner.clone(), end);
            let grants = self.facts.grants.entry((request.worker, id.to_owned())).or_default();
            // A late copy of a claim may be granted after its attempt has released the key.
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
    }

    /// A lease lasts until its worker's deadline is over by every clock.
    fn check_lease(&mut self, worker: usize, id: &str, end: Timestamp) {
        let at = &self.workers[worker];
        let began = BEGINNING.plus(at.started - self.started).plus(at.ahead);
        let least = began.plus(self.plan.functions[at.function].budget + SKEW);
        if end < least {
            let short = end.until(least);
            self.broken(
                ONE_HOLDER,
                format!("{id}: the lease of w{worker} ends {short:?} too early"),
            );
        }
    }

    /// A record was replaced or deleted.
    fn check_replaced(&mut self, request: &Request, before: &Record, mine: bool) {
        let id = request.key.record_id();
        if self.expired(before) && matches!(request.change().condition, Condition::Free(_)) {
            self.count("event: expired record replaced");
        } else if before.status != Status::InProgress {
            self.broken(FINAL, format!("{id}: a {} record is replaced", before.status.word()));
        } else if !mine && !matches!(request.change().condition, Condition::Free(_)) {
            self.broken(NO_ZOMBIE, format!("{id}: changed by an owner that does not hold it"));
        } else if !mine {
            self.count("event: lease taken over");
            let latest = self.time().plus(SKEW);
            if before.lease_end.is_some_and(|end| end >= latest) {
                self.broken(ONE_HOLDER, format!("{id}: taken over before its lease is over"));
            }
        }
    }

    /// The ledger's answer reached a worker.
    pub(crate) fn answered(&mut self, request: &Request, answer: &Answer) {
        let at = (request.worker, request.key.record_id().to_owned());
        match answer {
            Answer::Lost => self.count("event: answered lost"),
            Answer::NotFree(Existing::OtherPayload { .. }) => {
                self.count("event: answered other payload");
                self.facts.refused_payloads.insert(at.clone());
            }
            // A worker has the messages of one key one after the other, except in different groups. It goes on after one that
            // it dead-lettered, whose lease may be left to end by itself.
            Answer::NotFree(Existing::InProgress { owner: Some(owner), .. })
                if !self.failed_last(&at.1)
                    && !self.plan.functions[self.workers[request.worker].function].ordered
                    && self
                        .facts
                        .grants
                        .get(&at)
                        .is_some_and(|grants| grants.iter().any(|(mine, _)| mine == owner)) =>
            {
                let detail = format!("{}: w{} is answered that its own lease is another's", at.1, at.0);
                self.broken(KNOWS_ITSELF, detail);
            }
            _ => {}
        }
        self.facts.answered.insert(at);
    }

    /// A queue accepted an outgoing message.
    pub(crate) fn check_sent(&mut self, body: &str, key: &str) {
        let content: Content = serde_json::from_str(body).unwrap();
        let (record, which) = (
            content.order.clone(),
            (content.order, content.variant, content.position),
        );
        let keys = self.facts.sent.entry(which).or_default();
        keys.insert(key.to_owned());
        let keys = keys.len();
        if keys > 1 || key.is_empty() {
            self.broken(
                ONE_KEY,
                format!("{body} is sent under {keys} keys, the last is {key:?}"),
            );
        }
        let recorded = self
            .records
            .get(&record)
            .is_some_and(|it| it.status == Status::Completed);
        let recorded = recorded || self.had_expiring(&record, Status::Completed);
        if self.plan.functions[0].kind != Kind::Natural && !recorded {
            self.broken(OUTGOING, format!("{body} is sent before {record} is completed"));
        }
    }
}
