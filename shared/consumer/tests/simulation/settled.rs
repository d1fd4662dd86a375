//! The promises about messages: what is acknowledged, in which order, and what all of them have come to at the end.

use std::time::Duration;

use consumer::QueueMessage;
use consumer::dead_letter::{FAILURE, Rejection};
use idempotency::{Answer, Status, StoreError};
use tokio::time::Instant;

use crate::plan::{Function, Kind};
use crate::promises::{
    ACKNOWLEDGED, IN_TIME, LEDGER, NONE_LOST, ONCE, ORDER, OUTGOING, PAYLOAD, REASON, RECEIVED, SENT_AGAIN,
};
use crate::queue::{Gone, Message};
use crate::queues::text;
use crate::store::Request;
use crate::world::State;

/// The parts of a time budget, and how long the timer may be late.
pub(crate) struct Ends {
    pub(crate) handlers: Duration,
    pub(crate) verdicts: Duration,
}

/// So little time that nothing is sent again.
const NO_TIME_LEFT: Duration = Duration::from_millis(15);

/// How a handler fails, which in one step needs no ledger.
const OF_HANDLER: [&str; 3] = ["scripted retry", "panic: scripted", "the handler was cancelled "];

/// Why else a message may fail at its last receive.
const OF_SERVICES: [&str; 2] = [
    "another attempt took the lease over",
    "recorded as done, but not all its messages are sent: ",
];

/// A rejection that is not recorded is a failure.
const LOST_REJECTION: &str = " (and another attempt took the lease over)";

/// What the host reserves of a budget.
pub(crate) fn reserved(budget: Duration) -> Duration {
    budget / 10
}

impl Ends {
    fn of(budget: Duration) -> Self {
        let verdicts = budget - reserved(budget) + Duration::from_millis(5);
        // A fifth, two seconds at most, is for the ledger and the queues.
        let handlers = verdicts - (budget / 5).min(Duration::from_secs(2));
        Self { handlers, verdicts }
    }
}

impl State {
    /// Whether the queue has accepted each confirmation of a message.
    fn all_sent(&self, message: &Message) -> bool {
        let Some(content) = &message.content else { return true };
        let sent = |position| (message.record.clone(), content.variant, position);
        (0..content.sends).all(|position| self.facts.sent.contains_key(&sent(position)))
    }

    pub(crate) fn check_order(&mut self, worker: usize, id: &str) {
        let function = self.plan.functions[self.workers[worker].function].clone();
        if !function.ordered {
            return;
        }
        let messages = &self.queues[function.queue].messages;
        let at = messages.iter().position(|message| message.id == id).unwrap();
        let before = messages[..at].iter().filter(|it| it.group == messages[at].group);
        let waiting =
            before.filter(|it| it.gone.is_none() && !it.acknowledged && !self.is_settled(worker, it, function.kind));
        let waiting: Vec<_> = waiting.map(|it| it.id.clone()).collect();
        if !waiting.is_empty() {
            self.broken(ORDER, format!("{id} starts in w{worker} before {waiting:?}"));
        }
    }

    fn is_settled(&self, worker: usize, message: &Message, kind: Kind) -> bool {
        if kind != Kind::Holding && self.facts.dead_letters.contains(&message.id) {
            return true;
        }
        if kind == Kind::Natural {
            return self.facts.succeeded.contains(&(worker, message.id.clone()));
        }
        self.records
            .get(&message.record)
            .is_some_and(|record| match record.status {
                Status::InProgress => false,
                Status::Completed => true,
                Status::Rejected => kind != Kind::Holding,
            })
            || self.had_expiring(&message.record, Status::Completed)
            || kind != Kind::Holding && self.had_expiring(&message.record, Status::Rejected)
    }

    /// A verdict acknowledges a message: as done, or as rejected.
    pub(crate) fn check_acknowledged(&mut self, worker: usize, id: &str, done: bool) {
        let message = self.message(worker, id).clone();
        let natural = self.kind(worker) == Kind::Natural;
        let answered = self.facts.answered.contains(&(worker, message.record.clone()));
        if !natural && !answered {
            let detail = format!("{id} is acknowledged, and the ledger did not answer w{worker}");
            self.broken(LEDGER, detail);
        }
        let missing = match (done, natural) {
            (true, true) => self.missing_of_natural(worker, &message),
            (true, false) => self.missing_of_done(&message),
            (false, _) => self.missing_of_rejected(worker, &message, natural),
        };
        if let Some(missing) = missing {
            self.broken(ACKNOWLEDGED, format!("{id} is acknowledged, and {missing}"));
        }
        if done && !natural {
            self.check_payload(&message);
            self.check_committed(&message);
        }
    }

    fn missing_of_natural(&self, worker: usize, message: &Message) -> Option<&'static str> {
        match self.facts.succeeded.contains(&(worker, message.id.clone())) {
            true => (!self.all_sent(message)).then_some("not all its messages are sent"),
            false => Some("its handler did not succeed"),
        }
    }

    fn missing_of_done(&self, message: &Message) -> Option<&'static str> {
        match self.status(message) {
            _ if self.had_expiring(&message.record, Status::Completed) => {
                (!self.all_sent(message)).then_some("not all its messages are sent")
            }
            Some(Status::Completed) => (!self.all_sent(message)).then_some("not all its messages are sent"),
            Some(Status::InProgress) => Some("its record is in progress"),
            Some(Status::Rejected) => Some("its record is rejected"),
            None => Some("it has no record"),
        }
    }

    fn missing_of_rejected(&self, worker: usize, message: &Message, natural: bool) -> Option<&'static str> {
        if !natural && !self.is_rejected(worker, message) && !self.facts.failed_last.contains_key(&message.id) {
            return Some("nothing rejects it");
        }
        let is_there = self.facts.dead_letters.contains(&message.id);
        (!is_there).then_some("its dead letter is not confirmed")
    }

    /// Whether its record is rejected, or belongs to another payload.
    fn is_rejected(&self, worker: usize, message: &Message) -> bool {
        let other_payload = (worker, message.record.clone());
        self.status(message) == Some(Status::Rejected)
            || self.had_expiring(&message.record, Status::Rejected)
            || self.facts.refused_payloads.contains(&other_payload)
    }

    /// A dead letter was accepted: it is its whole message with a reason. The message is rejected, or failed at its last
    /// receive, and does not hold its group.
    pub(crate) fn check_dead_letter(&mut self, worker: usize, function: &Function, id: &str, sent: &QueueMessage) {
        let queue = function.queue;
        let message = self.queues[queue].messages.iter().find(|it| it.id == id).cloned();
        let Some(message) = message else {
            return self.broken(NONE_LOST, format!("a dead letter names no message of {queue}: {id:?}"));
        };
        let mut attributes = message.attributes.iter();
        let has_attributes = attributes.all(|(name, value)| sent.attributes.get(name) == Some(value));
        if sent.body != message.body || sent.group != message.group || !has_attributes {
            self.broken(NONE_LOST, format!("the dead letter of {id} is not the whole message"));
        }
        if function.kind == Kind::Holding {
            self.broken(
                ORDER,
                format!("{id} is dead-lettered, and its group must wait behind it"),
            );
        }
        let failure = text(&sent.attributes, FAILURE).and_then(|json| Rejection::from_json(json).ok());
        let Rejection {
            reason, receive_count, ..
        } = failure.unwrap_or_default();
        if reason.is_empty() {
            self.broken(REASON, format!("the dead letter of {id} states no reason"));
        }
        let is_rejected = self.is_rejected(worker, &message);
        let limit = function.max_receives.filter(|_| function.states_limit);
        let is_last = limit.is_some_and(|limit| (limit..=message.receives).contains(&receive_count));
        if is_last {
            self.check_last_failure(function, &message, is_rejected, reason);
        } else if function.kind != Kind::Natural && !is_rejected {
            self.broken(ACKNOWLEDGED, format!("{id} is dead-lettered before it is rejected"));
        }
    }

    /// A message was dead-lettered at its last receive: it was rejected then, or failed for a reason that a failure can have.
    fn check_last_failure(&mut self, function: &Function, message: &Message, is_rejected: bool, reason: String) {
        let mut known = OF_HANDLER.iter().chain(&OF_SERVICES);
        if known.any(|known| reason.starts_with(known)) || reason.ends_with(LOST_REJECTION) {
            self.count("event: dead-lettered at the last receive");
            self.facts.failed_last.insert(message.id.clone(), reason);
        } else if !is_rejected && function.kind != Kind::Natural {
            self.broken(
                REASON,
                format!("{} is dead-lettered at its last receive: {reason}", message.id),
            );
        }
    }

    /// Whether a message of this record was dead-lettered at its last receive.
    pub(crate) fn failed_last(&self, record: &str) -> bool {
        let mut messages = self.queues.values().flat_map(|queue| &queue.messages);
        messages.any(|message| message.record == record && self.facts.failed_last.contains_key(&message.id))
    }

    /// A message is done or dead-lettered, not both, unless its key belonged to another payload meanwhile.
    fn check_one_end(&mut self, message: &Message, kind: Kind) {
        let mut refused = self.facts.refused_payloads.iter();
        let was_refused = refused.any(|(_, record)| *record == message.record);
        let is_both = self.is_accepted(message) && self.facts.dead_letters.contains(&message.id);
        let may_expire = self.plan.retention.is_some();
        let failed_last = self.facts.failed_last.contains_key(&message.id);
        if is_both && !failed_last && !was_refused && !may_expire && kind != Kind::Natural {
            self.broken(ACKNOWLEDGED, format!("{} is done, and dead-lettered", message.id));
        }
    }

    /// Whether the record of its key is completed with its payload.
    fn is_accepted(&self, message: &Message) -> bool {
        let record = self.records.get(&message.record);
        record.is_some_and(|it| it.status == Status::Completed && it.fingerprint == message.fingerprint)
    }

    fn status(&self, message: &Message) -> Option<Status> {
        self.records.get(&message.record).map(|record| record.status)
    }

    fn check_payload(&mut self, message: &Message) {
        if self.plan.retention.is_some() {
            return;
        }
        let record = self.records.get(&message.record);
        if record.is_some_and(|record| record.fingerprint != message.fingerprint) {
            let detail = format!(
                "{} is acknowledged, and its key was used for another payload",
                message.id
            );
            self.broken(PAYLOAD, detail);
        }
    }

    fn check_committed(&mut self, message: &Message) {
        let commits = self.facts.commits.get(&message.record).copied().unwrap_or_default();
        if commits == 0 && !self.facts.existing.contains(&message.record) {
            self.broken(
                ONCE,
                format!("{} is done, and its writes are not committed", message.id),
            );
        }
    }

    /// A worker sends a request to settle a record.
    pub(crate) fn requested(&mut self, request: &Request) {
        let at = (request.worker, request.key.record_id().to_owned());
        self.facts.unanswered.remove(&at);
    }

    /// A request failed in a way that may pass.
    pub(crate) fn failed(&mut self, request: &Request, answer: &Result<Answer, StoreError>) {
        let settles = request.status() != Some(Status::InProgress);
        if let (true, Err(StoreError::NoAnswer(_) | StoreError::Throttled(_) | StoreError::Conflict { .. })) =
            (settles, answer)
        {
            let at = (request.worker, request.key.record_id().to_owned());
            self.facts.unanswered.insert(at, Instant::now());
        }
    }

    /// The verdicts of a worker are there: what it did not settle, it tried as long as it could.
    pub(crate) fn check_sent_again(&mut self, worker: usize) {
        let at = &self.workers[worker];
        let budget = self.plan.functions[at.function].budget;
        let last = at.started + budget - reserved(budget) - NO_TIME_LEFT;
        let mut unanswered = self.facts.unanswered.iter();
        let given_up = unanswered.find(|((by, _), failed)| *by == worker && **failed < last);
        if let Some(((_, record), failed)) = given_up {
            let early = last - *failed;
            let detail = format!("w{worker} gave {record} up {early:?} before its time was up");
            self.broken(SENT_AGAIN, detail);
        }
    }

    /// What a worker does ends before this part of its budget does, unless it was stopped.
    pub(crate) fn check_in_time(&mut self, worker: usize, part: impl Fn(Ends) -> Duration) {
        let at = &self.workers[worker];
        let (took, most) = (
            at.started.elapsed(),
            part(Ends::of(self.plan.functions[at.function].budget)),
        );
        if took > most && at.stalled_until.is_none() {
            self.broken(IN_TIME, format!("w{worker} took {took:?} of {most:?}"));
        }
    }

    /// All messages have left their queues, and nothing is under way.
    pub(crate) fn check_end(&mut self) {
        let [orders, confirmations] = self.plan.functions.clone();
        for message in self.queues[orders.queue].messages.clone() {
            self.check_one_end(&message, orders.kind);
            let accepted = self.is_accepted(&message);
            // A message that the redrive policy moved, or that failed at its last receive, is completed when an operator sends
            // it again.
            let waits =
                |other: &Message| other.gone == Some(Gone::Moved) || self.facts.failed_last.contains_key(&other.id);
            let same = |other: &Message| other.record == message.record && waits(other);
            let moved = self.queues[orders.queue].messages.iter().any(same);
            if accepted && !moved && !self.all_sent(&message) {
                self.broken(OUTGOING, format!("not all confirmations of {} are sent", message.id));
            }
            if accepted {
                self.check_committed(&message);
            }
        }
        for message in self.queues[confirmations.queue].messages.clone() {
            self.check_one_end(&message, confirmations.kind);
            let rejected = self.facts.dead_letters.contains(&message.id) || message.gone == Some(Gone::Moved);
            let commits = self.facts.commits.get(&message.record).copied().unwrap_or_default();
            // Once for each time that its record expired.
            let is_once = commits == 1 || commits > 1 && self.plan.retention.is_some();
            if !rejected && !is_once && !self.facts.existing.contains(&message.record) {
                self.broken(RECEIVED, format!("{} is completed {commits} times", message.record));
            }
        }
        let functions = [orders, confirmations];
        let messages = functions
            .iter()
            .flat_map(|function| &self.queues[function.queue].messages);
        let lost = messages.filter(|message| message.gone == Some(Gone::Deleted) && !message.acknowledged);
        let lost: Vec<_> = lost.map(|message| message.id.clone()).collect();
        if !lost.is_empty() {
            self.broken(NONE_LOST, format!("{lost:?} are deleted, and no verdict allows it"));
        }
    }
}
