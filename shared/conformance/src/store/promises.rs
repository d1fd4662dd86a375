//! The promises that one attempt at a time can show. Numbers are those of the protocol's list.

use std::sync::Arc;
use std::time::Duration;

use idempotency::{Answer, Attempt, Claim, Completion, Existing, Key, Refusal, Settled, Timestamp};

use super::{AFTER_LEASE, LEASE, NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, reject, release, soon};

/// What another attempt finds while this one holds the lease.
fn held_by(attempt: &Attempt) -> Existing {
    in_progress(attempt, attempt.lease_end())
}

fn in_progress(attempt: &Attempt, until: Timestamp) -> Existing {
    Existing::InProgress {
        until,
        owner: Some(attempt.owner().clone()),
    }
}

/// Promise 1.
pub async fn a_leased_key_is_granted_to_no_other_attempt(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 1");
    let (ledger, key) = (store.ledger(), fresh_key());
    let held = lease(ledger, attempt(&key, NOW)).await;
    for now in [NOW, NOW.plus(LEASE)] {
        assert_eq!(
            ledger.claim(&attempt(&key, now), soon()).await.unwrap(),
            Claim::NotFree(held_by(held.attempt()))
        );
    }
    let _taken = lease(ledger, attempt(&key, AFTER_LEASE)).await;
}

/// Promises 1 and 2.
pub async fn a_lease_that_is_over_is_taken_and_its_holder_loses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 1 and 2");
    let (ledger, key) = (store.ledger(), fresh_key());
    let late = lease(ledger, attempt(&key, NOW)).await;
    let taken = lease(ledger, attempt(&key, AFTER_LEASE)).await;
    assert_eq!(complete(ledger, late, Completion::new()).await, Answer::Lost);
    assert_eq!(complete(ledger, taken, Completion::new()).await, Answer::Applied);
}

/// Promise 1.
pub async fn a_released_key_is_free_at_once(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 1");
    let (ledger, key) = (store.ledger(), fresh_key());
    let failed = lease(ledger, attempt(&key, NOW)).await;
    assert_eq!(release(ledger, failed).await, Answer::Applied);
    let again = lease(ledger, attempt(&key, NOW)).await;
    assert_eq!(complete(ledger, again, Completion::new()).await, Answer::Applied);
}

/// Promise 1.
pub async fn an_extended_lease_lasts_to_its_new_end(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 1");
    let (ledger, key) = (store.ledger(), fresh_key());
    let end = AFTER_LEASE.plus(LEASE);
    let mut held = lease(ledger, attempt(&key, NOW)).await;
    assert!(ledger.extend(&mut held, end, soon()).await.unwrap());
    assert_eq!(held.end(), end);
    assert_eq!(
        ledger.claim(&attempt(&key, AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(held_by(held.attempt()))
    );
    assert_eq!(complete(ledger, held, Completion::new()).await, Answer::Applied);
}

/// Promise 1: neither by a request for an earlier end, nor by one that a later end has overtaken.
pub async fn an_extension_never_moves_an_end_backwards(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 1");
    let (ledger, key) = (store.ledger(), fresh_key());
    let (earlier, end, later) = (NOW, AFTER_LEASE, AFTER_LEASE.plus(LEASE));
    let first = attempt(&key, NOW);
    // A claim that is sent again is granted again: the second holder does not know how far the first extends.
    let (mut held, mut copy) = (lease(ledger, first.clone()).await, lease(ledger, first.clone()).await);
    assert!(ledger.extend(&mut held, later, soon()).await.unwrap());
    assert!(ledger.extend(&mut copy, end, soon()).await.unwrap());
    assert_eq!(found(store, &key).await, in_progress(&first, later));

    assert!(ledger.extend(&mut held, earlier, soon()).await.unwrap());
    assert_eq!((held.end(), copy.end()), (later, end));
    assert_eq!(found(store, &key).await, in_progress(&first, later));
    assert_eq!(complete(ledger, copy, Completion::new()).await, Answer::Applied);
}

/// The existing record, as another attempt finds it.
async fn found(store: &Arc<impl UnderTest>, key: &Key) -> Existing {
    match store.ledger().claim(&attempt(key, AFTER_LEASE), soon()).await.unwrap() {
        Claim::NotFree(existing) => existing,
        Claim::Granted(lease) => panic!("granted: {lease:?}"),
    }
}

/// Promise 2.
pub async fn a_zombie_can_change_nothing(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 2");
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id().to_owned();
    let mut stale = Vec::new();
    for _ in 0..5 {
        let first = attempt(&key, NOW);
        stale.push(lease(ledger, first.clone()).await);
        // Freed, so that the next can be claimed at the same time: the leases stay as they were.
        assert_eq!(release(ledger, lease(ledger, first).await).await, Answer::Applied);
    }
    let taken = lease(ledger, attempt(&key, NOW)).await;

    let mut stale = stale.into_iter();
    let mut next = || stale.next().unwrap();
    assert_eq!(complete(ledger, next(), Completion::new()).await, Answer::Lost);
    let with_write = Completion::new().write(store.effect(&name));
    assert_eq!(complete(ledger, next(), with_write).await, Answer::Lost);
    assert_eq!(release(ledger, next()).await, Answer::Lost);
    assert!(!ledger.extend(&mut next(), AFTER_LEASE, soon()).await.unwrap());
    assert_eq!(reject(ledger, next(), "why").await, Answer::Lost);

    assert_eq!(store.effects(&name).await, 0);
    assert_eq!(complete(ledger, taken, Completion::new()).await, Answer::Applied);
}

/// Promise 2, its reverse: a refusal would only repeat the effects.
pub async fn a_lease_that_is_over_but_not_taken_can_complete(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 2");
    let (ledger, key) = (store.ledger(), fresh_key());
    let held = lease(ledger, attempt(&key, NOW)).await;
    assert_eq!(complete(ledger, held, Completion::new()).await, Answer::Applied);
    assert_eq!(
        ledger.claim(&attempt(&key, AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(completed_without_data())
    );
}

/// Promise 3.
pub async fn a_completed_record_is_replaced_only_after_it_expires(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 3");
    let (ledger, key) = (store.ledger(), fresh_key());
    let day = Duration::from_secs(24 * 60 * 60);
    let kept = attempt(&key, NOW).with_retention(day);
    let held = lease(ledger, kept).await;
    assert_eq!(
        complete(ledger, held, Completion::new().data(serde_json::json!({"n": 1}))).await,
        Answer::Applied
    );

    let done = Existing::Completed {
        data: Some("{\"n\":1}".to_owned()),
        outgoing: vec![],
    };
    for now in [AFTER_LEASE, NOW.plus(day)] {
        assert_eq!(
            ledger.claim(&attempt(&key, now), soon()).await.unwrap(),
            Claim::NotFree(done.clone())
        );
        assert_eq!(
            reject(ledger, attempt(&key, now), "why").await,
            Answer::NotFree(done.clone())
        );
    }
    let _again = lease(ledger, attempt(&key, NOW.plus(day + Duration::from_secs(1)))).await;
}

/// Promise 3.
pub async fn a_completed_record_survives_its_own_late_failure(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 3");
    let (ledger, key) = (store.ledger(), fresh_key());
    let first = attempt(&key, NOW);
    let mut copies = Vec::new();
    for _ in 0..3 {
        // A claim sent again is granted again: three copies of one lease, as after lost replies.
        copies.push(lease(ledger, first.clone()).await);
    }
    let mut next = || copies.pop().unwrap();
    assert_eq!(complete(ledger, next(), Completion::new()).await, Answer::Applied);
    assert_eq!(release(ledger, next()).await, Answer::Lost);
    assert_eq!(reject(ledger, next(), "why").await, Answer::Lost);
    assert_eq!(
        ledger.claim(&attempt(&key, AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(completed_without_data())
    );
}

/// Promise 3.
pub async fn a_rejected_record_is_final_and_gives_its_reason(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 3");
    let (ledger, claimed, unclaimed) = (store.ledger(), fresh_key(), fresh_key());
    let held = lease(ledger, attempt(&claimed, NOW)).await;
    assert_eq!(reject(ledger, held, "does not add up").await, Answer::Applied);
    assert_eq!(
        reject(ledger, attempt(&unclaimed, NOW), "does not add up").await,
        Answer::Applied
    );
    for key in [claimed, unclaimed] {
        assert_eq!(
            ledger.claim(&attempt(&key, AFTER_LEASE), soon()).await.unwrap(),
            Claim::NotFree(Existing::Rejected("does not add up".to_owned()))
        );
    }
}

/// Promise 4.
pub async fn a_repeated_request_is_answered_like_the_first(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 4");
    let (ledger, key) = (store.ledger(), fresh_key());
    let first = attempt(&key, NOW);
    let (held, copy) = (lease(ledger, first.clone()).await, lease(ledger, first).await);
    assert_eq!(complete(ledger, held, Completion::new()).await, Answer::Applied);
    assert_eq!(complete(ledger, copy, Completion::new()).await, Answer::Applied);

    let (key, unclaimed) = (fresh_key(), attempt(&fresh_key(), NOW));
    let first = attempt(&key, NOW);
    let (held, copy) = (lease(ledger, first.clone()).await, lease(ledger, first).await);
    assert_eq!(reject(ledger, held, "why").await, Answer::Applied);
    assert_eq!(reject(ledger, copy, "why").await, Answer::Applied);
    assert_eq!(reject(ledger, unclaimed.clone(), "why").await, Answer::Applied);
    assert_eq!(reject(ledger, unclaimed.clone(), "why").await, Answer::Applied);

    let first = attempt(&fresh_key(), NOW);
    let (held, copy) = (lease(ledger, first.clone()).await, lease(ledger, first.clone()).await);
    assert_eq!(release(ledger, held).await, Answer::Applied);
    assert_eq!(release(ledger, copy).await, Answer::Applied);
}

/// Promises 4 and 6.
pub async fn a_repeated_transaction_applies_its_writes_once(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 4 and 6");
    let (ledger, claimed, committed) = (store.ledger(), attempt(&fresh_key(), NOW), attempt(&fresh_key(), NOW));
    let name = claimed.key().record_id();
    for held in [
        lease(ledger, claimed.clone()).await,
        lease(ledger, claimed.clone()).await,
    ] {
        let completion = Completion::new().write(store.effect(name));
        assert_eq!(complete(ledger, held, completion).await, Answer::Applied);
    }
    assert_eq!(store.effects(name).await, 1);

    let name = committed.key().record_id();
    for _ in 0..2 {
        let completion = Completion::new().write(store.effect(name));
        assert_eq!(complete(ledger, committed.clone(), completion).await, Answer::Applied);
    }
    assert_eq!(store.effects(name).await, 1);
}

/// Promise 6.
pub async fn of_two_commits_the_second_is_a_duplicate(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 6");
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id();
    let completion = || Completion::new().data(1.into()).write(store.effect(name));
    assert_eq!(
        complete(ledger, attempt(&key, NOW), completion()).await,
        Answer::Applied
    );
    let done = Answer::NotFree(Existing::Completed {
        data: Some("1".to_owned()),
        outgoing: vec![],
    });
    assert_eq!(complete(ledger, attempt(&key, AFTER_LEASE), completion()).await, done);
    assert_eq!(store.effects(name).await, 1);
}

/// Promise 6.
pub async fn a_commit_waits_for_a_lease(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 6");
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id();
    let held = lease(ledger, attempt(&key, NOW)).await;
    let completion = || Completion::new().write(store.effect(name));
    assert_eq!(
        complete(ledger, attempt(&key, NOW), completion()).await,
        Answer::NotFree(held_by(held.attempt()))
    );
    assert_eq!(store.effects(name).await, 0);
    assert_eq!(
        complete(ledger, attempt(&key, AFTER_LEASE), completion()).await,
        Answer::Applied
    );
    assert_eq!(store.effects(name).await, 1);
}

/// Promise 6.
pub async fn writes_and_record_are_applied_together_or_not_at_all(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 6");
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id();
    let refusal = Refusal::Permanent("no".to_owned());
    let refused = || {
        Completion::new()
            .write(store.effect(name))
            .write(store.refused_effect(&format!("{name} 2"), refusal.clone()))
    };

    let held = lease(ledger, attempt(&key, NOW)).await;
    let sealed = ledger.seal(held, refused()).unwrap();
    let Settled::Refused(held, why) = ledger.complete(sealed, soon()).await.unwrap() else {
        panic!("not refused")
    };
    assert_eq!(why, refusal);
    assert_eq!(store.effects(name).await, 0);

    // The lease still holds, and nothing is recorded.
    assert_eq!(release(ledger, held.into_hold()).await, Answer::Applied);
    assert_eq!(
        complete(ledger, attempt(&key, NOW), refused()).await,
        Answer::WriteRefused(refusal)
    );
    assert_eq!(store.effects(name).await, 0);
    let _free = lease(ledger, attempt(&key, NOW)).await;
}

/// Promise 8.
pub async fn a_key_with_another_payload_is_an_error(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 8");
    let (ledger, key) = (store.ledger(), fresh_key());
    let first = |now| attempt(&key, now).with_fingerprint("a");
    let other = |now| attempt(&key, now).with_fingerprint("b");
    let mismatch = Existing::OtherPayload {
        recorded: "a".to_owned(),
    };

    let _held = lease(ledger, first(NOW)).await;
    // In progress, with its lease over, and completed.
    assert_eq!(
        ledger.claim(&other(NOW), soon()).await.unwrap(),
        Claim::NotFree(mismatch.clone())
    );
    assert_eq!(
        ledger.claim(&other(AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(mismatch.clone())
    );
    let held = lease(ledger, first(AFTER_LEASE)).await;
    assert_eq!(complete(ledger, held, Completion::new()).await, Answer::Applied);
    assert_eq!(
        ledger.claim(&other(AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(mismatch)
    );
    assert_eq!(
        ledger.claim(&first(AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(completed_without_data())
    );
}

fn completed_without_data() -> Existing {
    Existing::Completed {
        data: None,
        outgoing: vec![],
    }
}
