//! The decision without one of its conditions: each mutant breaks a promise. All are wrappers around the real function.

use idempotency::{Answer, Change, Condition, Decision, NoWrites, OwnerToken, Record, Status, Timestamp, decide};
use stateright::{Checker, HasDiscoveries, Model};

use crate::promises::{LIVENESS, NAMES, ONE_HOLDER};
use crate::step::Decide;
use crate::system::{MARGIN, System};
use crate::{skews, two_workers};

/// The name of a promise that a step can break.
fn promise(number: u8) -> &'static str {
    NAMES.iter().find(|(promise, _)| *promise == number).unwrap().1
}

/// Fails unless the model finds a history that breaks the promise.
fn breaks(promise: &'static str, system: System) {
    let found = HasDiscoveries::AnyOf([promise].into());
    let checker = system.checker().finish_when(found).spawn_bfs().join();
    let path = checker.discovery(promise);
    let path = path.unwrap_or_else(|| panic!("no history breaks {promise}"));
    println!("{promise}, broken by {:?}", path.into_actions());
}

fn mutant(decide: Decide) -> System {
    System {
        decide,
        ..two_workers()
    }
}

type Found<'a> = Option<&'a Record>;

/// The record as if its owner were the one that requests the change.
fn adopted(record: Found<'_>, change: &Change<'_, NoWrites>) -> Option<Record> {
    record.map(|record| Record {
        owner: Some(change.condition.owner().clone()),
        ..record.clone()
    })
}

fn is_release(change: &Change<'_, NoWrites>) -> bool {
    change.record.is_none()
}

fn is_completion(change: &Change<'_, NoWrites>) -> bool {
    change.record.is_some_and(|record| record.status == Status::Completed)
}

#[test]
fn completion_without_owner_check_breaks_promise_2() {
    breaks(
        promise(2),
        mutant(
            |record, change| match matches!(change.condition, Condition::Held(_)) && is_completion(change) {
                true => decide(adopted(record, change).as_ref(), change),
                false => decide(record, change),
            },
        ),
    );
}

#[test]
fn release_without_owner_check_breaks_promise_2() {
    breaks(
        promise(2),
        mutant(|record, change| match is_release(change) {
            true => decide(adopted(record, change).as_ref(), change),
            false => decide(record, change),
        }),
    );
}

#[test]
fn extension_without_owner_check_breaks_promise_2() {
    let system = mutant(|record, change| match change.condition {
        Condition::HeldUntil(..) => decide(adopted(record, change).as_ref(), change),
        _ => decide(record, change),
    });
    breaks(
        promise(2),
        System {
            extends: true,
            ..system
        },
    );
}

#[test]
fn extension_that_moves_an_end_backwards_breaks_promise_1() {
    let system = mutant(|record, change| match change.condition {
        Condition::HeldUntil(owner, _) => {
            let condition = Condition::HeldUntil(owner, Timestamp::from_millis(u64::MAX));
            decide(record, &Change { condition, ..*change })
        }
        _ => decide(record, change),
    });
    breaks(
        ONE_HOLDER,
        System {
            extends: true,
            ..system
        },
    );
}

#[test]
fn lease_without_margin_breaks_promise_1() {
    breaks(
        ONE_HOLDER,
        mutant(|record, change| {
            let margin = u64::try_from(MARGIN).unwrap() * 1000;
            let earlier = |end: Timestamp| Timestamp::from_millis(end.millis() - margin);
            let record = record.map(|record| Record {
                lease_end: record.lease_end.map(earlier),
                ..record.clone()
            });
            decide(record.as_ref(), change)
        }),
    );
}

#[test]
fn clocks_beyond_the_margin_break_promise_1_and_no_other() {
    let system = System {
        skews: skews(2, MARGIN + 1),
        ..two_workers()
    };
    let checker = system.checker().threads(2).spawn_bfs().join();
    let broken: Vec<_> = checker
        .discoveries()
        .into_keys()
        .filter(|name| name.starts_with("promise"))
        .collect();
    assert_eq!(broken, [ONE_HOLDER]);
}

/// As if the owner token were another in each copy of a request.
#[test]
fn request_that_does_not_know_itself_breaks_promise_4() {
    breaks(
        promise(4),
        mutant(|record, change| {
            let stranger = OwnerToken::from("stranger".to_owned());
            match decide(record, change) {
                Decision::Answer(Answer::Applied) => {
                    let record = record.map(|record| Record {
                        owner: Some(stranger),
                        ..record.clone()
                    });
                    match (decide(record.as_ref(), change), record) {
                        (Decision::Answer(Answer::Applied), _) => Decision::Answer(Answer::Lost),
                        (decision, _) => decision,
                    }
                }
                decision => decision,
            }
        }),
    );
}

#[test]
fn request_that_takes_others_for_itself_breaks_promise_7() {
    breaks(
        promise(7),
        mutant(|record, change| match (decide(record, change), record) {
            (Decision::Answer(_), Some(record))
                if change.record.is_some_and(|wanted| wanted.status == record.status) =>
            {
                Decision::Answer(Answer::Applied)
            }
            (decision, _) => decision,
        }),
    );
}

#[test]
fn record_that_expires_with_its_lease_breaks_promise_1() {
    breaks(
        ONE_HOLDER,
        mutant(|record, change| {
            let record = record.map(|record| Record {
                expiration_seconds: record
                    .lease_end
                    .map_or(record.expiration_seconds, |end| end.seconds() - 2),
                ..record.clone()
            });
            decide(record.as_ref(), change)
        }),
    );
}

#[test]
fn claim_of_a_completed_key_breaks_promise_3() {
    breaks(
        promise(3),
        mutant(|record, change| {
            let claims = matches!(change.condition, Condition::Free(_));
            let completed = record.is_some_and(|record| record.status == Status::Completed);
            decide(record.filter(|_| !(claims && completed)), change)
        }),
    );
}

#[test]
fn release_of_a_completed_record_breaks_promise_3() {
    let system = mutant(|record, change| {
        let reopened = adopted(record, change).map(|record| Record {
            status: Status::InProgress,
            ..record
        });
        match is_release(change) {
            true => decide(reopened.as_ref(), change),
            false => decide(record, change),
        }
    });
    breaks(promise(3), system);
}

#[test]
fn second_commit_without_a_claim_breaks_promise_6() {
    let system =
        mutant(
            |record, change| match matches!(change.condition, Condition::Free(_)) && is_completion(change) {
                true => decide(None, change),
                false => decide(record, change),
            },
        );
    breaks(
        promise(6),
        System {
            claims: false,
            ..system
        },
    );
}

#[test]
fn completion_answered_without_being_applied_breaks_promise_5() {
    breaks(
        promise(5),
        mutant(|record, change| match decide(record, change) {
            Decision::Apply if is_completion(change) => Decision::Answer(Answer::Applied),
            decision => decision,
        }),
    );
}

#[test]
fn key_whose_payload_is_not_compared_breaks_promise_8() {
    let system = mutant(|record, change| {
        let record = record.map(|record| Record {
            fingerprint: None,
            ..record.clone()
        });
        decide(record.as_ref(), change)
    });
    breaks(
        promise(8),
        System {
            payloads: vec![Some("a"), Some("b")],
            ..system
        },
    );
}

/// No mutant of the decision breaks liveness here: a message that nobody may process is moved after its last receive. A queue
/// that does not move it does.
#[test]
fn message_that_is_never_moved_breaks_liveness() {
    let system = System {
        moves: false,
        ..two_workers()
    };
    breaks(LIVENESS, system);
}
