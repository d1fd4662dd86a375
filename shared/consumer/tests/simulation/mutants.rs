//! Wrong stores, queues, hosts and handlers around the real code: each breaks a promise, and the simulation finds a history that shows it.

use std::sync::Arc;
use std::time::Duration;

use consumer::QueueMessage;
use consumer::dead_letter::{FAILURE, IDEMPOTENCY_KEY, ORIGINAL, Rejection};
use idempotency::{Answer, Change, Condition, Decision, OwnerToken, Record, Status, StoreError, Timestamp};

use crate::history::happen;
use crate::promises::{
    ACKNOWLEDGED, EFFECT, FINAL, IN_TIME, KNOWS_ITSELF, LEDGER, NO_ZOMBIE, NONE_LOST, ONCE, ONE_HOLDER, ONE_KEY, ORDER,
    OUTGOING, PAYLOAD, REASON, RECEIVED, SENT_AGAIN,
};
use crate::store::{Effect, Request};
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    CompletesForAnyOwner,
    ReleasesForAnyOwner,
    LeaseEndsEarly,
    TakesOverEarly,
    ForgetsItself,
    DropsCompletions,
    ReclaimsCompleted,
    ExpiresEarly,
    CommitsEveryCopy,
    IgnoresPayload,
    KeepsNoOutgoing,
    GrantsUnansweredClaims,
    GivesUpCompletions,
    ReportsUnsentAsSent,
    SendsUnderFreshKeys,
    ClocksBeyondTheMargin,
    OrderIgnored,
    AcknowledgesRetries,
    NeverDeletes,
    DeletesAtReceive,
    BudgetTooLong,
    EffectTwice,
    LeaseWithoutMargin,
    ResendsUnderFreshOwners,
    EmptiesDeadLetters,
    StatesNoReasons,
    /// Fails for the last time one receive before the last.
    DeadLettersEarly,
    HoldsNoGroup,
    /// Two steps are swapped: its messages are sent, then it is completed.
    CompletesAfterSending,
    /// Two steps are swapped: the dead letter is sent, then the message is rejected.
    RejectsAfterDeadLetter,
}

/// Longer than a handler takes.
const EARLY_MILLIS: u64 = 9_000;
/// Much longer than a history with its retention of 15 days.
const EARLY_SECONDS: u64 = 15 * 24 * 60 * 60;
/// All but one millisecond of the second that clocks may be apart.
const MARGIN_MILLIS: u64 = 999;
/// When the store makes a change that it has confirmed before: later than the next step.
pub(crate) const LATER: Duration = Duration::from_secs(10);

fn earlier(at: Timestamp, millis: u64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_sub(millis))
}

fn completes(record: Option<&Record>) -> bool {
    record.is_some_and(|record| record.status == Status::Completed)
}

/// The decision of the store.
pub(crate) fn decide(mutant: Option<Mutant>, record: Option<&Record>, change: &Change<'_, Effect>) -> Decision {
    let with = |change_of: &dyn Fn(&mut Record)| {
        let mut record = record.cloned();
        record.iter_mut().for_each(change_of);
        idempotency::decide(record.as_ref(), change)
    };
    let adopted = |record: &mut Record| record.owner = Some(change.condition.owner().clone());
    let claims = matches!(change.condition, Condition::Free(_));
    match mutant {
        Some(Mutant::CompletesForAnyOwner) if !claims && completes(change.record) => with(&adopted),
        Some(Mutant::ReleasesForAnyOwner) if change.record.is_none() => with(&adopted),
        Some(Mutant::TakesOverEarly) => {
            with(&|record| record.lease_end = record.lease_end.map(|end| earlier(end, EARLY_MILLIS)))
        }
        Some(Mutant::IgnoresPayload) => with(&|record| record.fingerprint = None),
        Some(Mutant::ExpiresEarly) => with(&|record| {
            record.expiration_seconds = record.expiration_seconds.saturating_sub(EARLY_SECONDS);
        }),
        Some(Mutant::ReclaimsCompleted) if claims && completes(record) => Decision::Apply,
        Some(Mutant::ForgetsItself) => match idempotency::decide(record, change) {
            Decision::Answer(Answer::Applied) => {
                let stranger = OwnerToken::from("stranger".to_owned());
                match with(&|record| record.owner = Some(stranger.clone())) {
                    Decision::Answer(Answer::Applied) => Decision::Answer(Answer::Lost),
                    decision => decision,
                }
            }
            decision => decision,
        },
        Some(Mutant::DropsCompletions) if completes(change.record) => match idempotency::decide(record, change) {
            Decision::Apply => Decision::Answer(Answer::Applied),
            decision => decision,
        },
        _ => idempotency::decide(record, change),
    }
}

/// The record that the store keeps.
pub(crate) fn stored(mutant: Option<Mutant>, record: Option<&Record>) -> Option<Record> {
    let mut record = record.cloned()?;
    match mutant {
        Some(Mutant::LeaseEndsEarly) => record.lease_end = record.lease_end.map(|end| earlier(end, EARLY_MILLIS)),
        Some(Mutant::LeaseWithoutMargin) => record.lease_end = record.lease_end.map(|end| earlier(end, MARGIN_MILLIS)),
        Some(Mutant::KeepsNoOutgoing) => record.outgoing.clear(),
        _ => {}
    }
    Some(record)
}

/// A request as it is sent.
pub(crate) fn requested(mutant: Option<Mutant>, world: &Arc<World>, request: Request) -> Request {
    let is_fresh =
        mutant == Some(Mutant::ResendsUnderFreshOwners) && world.state().knows(request.change().condition.owner());
    match is_fresh {
        true => request.with_fresh_owner(),
        false => request,
    }
}

/// Whether the store confirms a change, and makes it later.
pub(crate) fn is_made_later(mutant: Option<Mutant>, request: &Request) -> bool {
    match mutant {
        Some(Mutant::CompletesAfterSending) => request.status() == Some(Status::Completed),
        Some(Mutant::RejectsAfterDeadLetter) => request.status() == Some(Status::Rejected),
        _ => false,
    }
}

/// Whether the store applies the writes of a request that changes nothing.
pub(crate) fn commits_copies(mutant: Option<Mutant>, answer: &Answer) -> bool {
    mutant == Some(Mutant::CommitsEveryCopy) && *answer == Answer::Applied
}

/// The answer that the ledger gets.
pub(crate) fn answer(
    mutant: Option<Mutant>,
    request: &Request,
    answer: Result<Answer, StoreError>,
) -> Result<Answer, StoreError> {
    match (mutant, answer) {
        (Some(Mutant::GrantsUnansweredClaims), Err(StoreError::NoAnswer(_)))
            if request.status() == Some(Status::InProgress) =>
        {
            Ok(Answer::Applied)
        }
        // The ledger repeats what did not fail for good.
        (Some(Mutant::GivesUpCompletions), Err(_)) if request.status() == Some(Status::Completed) => {
            Err(StoreError::Refused("given up".into()))
        }
        (_, answer) => answer,
    }
}

/// The messages as they are sent.
pub(crate) fn sent(mutant: Option<Mutant>, world: &Arc<World>, messages: &[QueueMessage]) -> Vec<QueueMessage> {
    let mut messages = messages.to_vec();
    if mutant == Some(Mutant::SendsUnderFreshKeys) {
        let fresh = world.state().steps;
        let keys = messages
            .iter_mut()
            .filter_map(|it| it.attributes.get_mut(IDEMPOTENCY_KEY));
        keys.for_each(|key| key.string_value = Some(format!("{fresh}")));
    }
    if mutant == Some(Mutant::EmptiesDeadLetters) {
        let dead_letters = messages.iter_mut().filter(|it| it.attributes.contains_key(ORIGINAL));
        dead_letters.for_each(|dead_letter| dead_letter.body.clear());
    }
    if mutant == Some(Mutant::StatesNoReasons) {
        let failures = messages.iter_mut().filter_map(|it| it.attributes.get_mut(FAILURE));
        failures.for_each(|failure| failure.string_value = Some(Rejection::default().to_json()));
    }
    messages
}

pub(crate) fn reports_unsent_as_sent(mutant: Option<Mutant>) -> bool {
    mutant == Some(Mutant::ReportsUnsentAsSent)
}

/// The histories in which a mutant must be found.
const HISTORIES: u64 = 1000;

/// Fails unless a history with the mutant breaks the promise.
fn breaks(promise: &str, mutant: Mutant) {
    let found = (0..HISTORIES).find(|seed| {
        let violation = happen(*seed, Some(mutant)).violation;
        violation.is_some_and(|violation| violation.promise == promise)
    });
    let found = found.unwrap_or_else(|| panic!("{mutant:?}: {HISTORIES} histories keep {promise}"));
    println!("{mutant:?}: history {found} breaks {promise}");
}

#[test]
fn completion_for_any_owner_breaks_promise_2() {
    breaks(NO_ZOMBIE, Mutant::CompletesForAnyOwner);
}

#[test]
fn release_for_any_owner_breaks_promise_2() {
    breaks(NO_ZOMBIE, Mutant::ReleasesForAnyOwner);
}

#[test]
fn lease_that_ends_before_the_deadline_breaks_promise_1() {
    breaks(ONE_HOLDER, Mutant::LeaseEndsEarly);
}

#[test]
fn claim_of_an_unexpired_lease_breaks_promise_1() {
    breaks(ONE_HOLDER, Mutant::TakesOverEarly);
}

#[test]
fn clocks_beyond_the_margin_break_promise_1() {
    breaks(ONE_HOLDER, Mutant::ClocksBeyondTheMargin);
}

#[test]
fn request_that_does_not_know_itself_breaks_promise_4() {
    breaks(KNOWS_ITSELF, Mutant::ForgetsItself);
}

#[test]
fn completion_that_is_not_stored_breaks_promise_5() {
    breaks(ACKNOWLEDGED, Mutant::DropsCompletions);
}

#[test]
fn claim_of_a_completed_key_breaks_promise_3() {
    breaks(FINAL, Mutant::ReclaimsCompleted);
}

#[test]
fn record_that_expires_early_breaks_promise_3() {
    breaks(FINAL, Mutant::ExpiresEarly);
}

#[test]
fn writes_of_each_copy_break_promise_6() {
    breaks(ONCE, Mutant::CommitsEveryCopy);
}

#[test]
fn payload_that_is_not_compared_breaks_promise_8() {
    breaks(PAYLOAD, Mutant::IgnoresPayload);
}

#[test]
fn record_without_outgoing_messages_breaks_promise_5() {
    breaks(ACKNOWLEDGED, Mutant::KeepsNoOutgoing);
}

#[test]
fn claim_granted_without_an_answer_breaks_promise_7() {
    breaks(LEDGER, Mutant::GrantsUnansweredClaims);
}

#[test]
fn completion_that_is_not_sent_again_is_found() {
    breaks(SENT_AGAIN, Mutant::GivesUpCompletions);
}

#[test]
fn unsent_messages_reported_as_sent_break_promise_5() {
    breaks(ACKNOWLEDGED, Mutant::ReportsUnsentAsSent);
}

#[test]
fn fresh_key_at_each_send_is_found() {
    breaks(ONE_KEY, Mutant::SendsUnderFreshKeys);
}

#[test]
fn ordered_queue_taken_for_a_standard_one_is_found() {
    breaks(ORDER, Mutant::OrderIgnored);
}

#[test]
fn acknowledged_retries_break_promise_5() {
    breaks(ACKNOWLEDGED, Mutant::AcknowledgesRetries);
}

#[test]
fn message_that_never_leaves_its_queue_is_found() {
    breaks(NONE_LOST, Mutant::NeverDeletes);
}

#[test]
fn messages_sent_before_the_record_is_completed_are_found() {
    breaks(OUTGOING, Mutant::DropsCompletions);
}

#[test]
fn message_deleted_before_it_is_processed_is_found() {
    breaks(NONE_LOST, Mutant::DeletesAtReceive);
}

#[test]
fn confirmation_deleted_before_it_is_processed_is_found() {
    breaks(RECEIVED, Mutant::DeletesAtReceive);
}

#[test]
fn budget_longer_than_the_deadline_is_found() {
    breaks(IN_TIME, Mutant::BudgetTooLong);
}

#[test]
fn second_effect_under_one_lease_is_found() {
    breaks(EFFECT, Mutant::EffectTwice);
}

#[test]
fn lease_without_the_margin_breaks_promise_1() {
    breaks(ONE_HOLDER, Mutant::LeaseWithoutMargin);
}

#[test]
fn claim_resent_by_a_fresh_owner_breaks_promise_4() {
    breaks(KNOWS_ITSELF, Mutant::ResendsUnderFreshOwners);
}

#[test]
fn empty_dead_letter_is_found() {
    breaks(NONE_LOST, Mutant::EmptiesDeadLetters);
}

#[test]
fn dead_letter_without_a_reason_is_found() {
    breaks(REASON, Mutant::StatesNoReasons);
}

#[test]
fn dead_letter_before_the_last_receive_breaks_promise_5() {
    breaks(ACKNOWLEDGED, Mutant::DeadLettersEarly);
}

#[test]
fn group_that_goes_on_behind_a_rejected_message_is_found() {
    breaks(ORDER, Mutant::HoldsNoGroup);
}

#[test]
fn messages_sent_before_the_completion_are_found() {
    breaks(OUTGOING, Mutant::CompletesAfterSending);
}

#[test]
fn dead_letter_before_the_rejection_breaks_promise_5() {
    breaks(ACKNOWLEDGED, Mutant::RejectsAfterDeadLetter);
}
