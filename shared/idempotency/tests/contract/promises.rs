//! The promises that one attempt at a time can show. Numbers are those of the protocol's list.

use std::time::Duration;

use idempotency::{Attempt, Claim, Committed, Completed, Completion, Ledger, Refusal, Settled, Standing};

use crate::store::{AFTER_LEASE, LEASE, NOW, Store, attempt, effect, fresh_key, lease, refused_effect};

/// What somebody else finds while an attempt holds the lease.
fn held_by(attempt: &Attempt) -> Standing {
    Standing::InProgress {
        until: attempt.lease_end(),
        owner: Some(attempt.owner().clone()),
    }
}

/// 1.
pub(crate) async fn a_key_is_granted_to_nobody_else_while_its_lease_lasts(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let held = lease(ledger, attempt(&key, NOW)).await;
    for now in [NOW, NOW.plus(LEASE)] {
        assert_eq!(
            ledger.claim(&attempt(&key, now)).await.unwrap(),
            Claim::Refused(held_by(held.attempt()))
        );
    }
    let _taken = lease(ledger, attempt(&key, AFTER_LEASE)).await;
}

/// 1 and 2.
pub(crate) async fn a_lease_that_is_over_can_be_taken_and_then_its_holder_is_refused(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let late = lease(ledger, attempt(&key, NOW)).await;
    let taken = lease(ledger, attempt(&key, AFTER_LEASE)).await;
    assert_eq!(
        ledger.complete(late, &Completion::new()).await.unwrap(),
        Completed::Lost
    );
    assert_eq!(
        ledger.complete(taken, &Completion::new()).await.unwrap(),
        Completed::Done
    );
}

/// 1.
pub(crate) async fn a_released_key_is_free_at_once(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let failed = lease(ledger, attempt(&key, NOW)).await;
    assert_eq!(ledger.release(failed).await.unwrap(), Settled::Done);
    let again = lease(ledger, attempt(&key, NOW)).await;
    assert_eq!(
        ledger.complete(again, &Completion::new()).await.unwrap(),
        Completed::Done
    );
}

/// 1.
pub(crate) async fn an_extended_lease_lasts_to_its_new_end(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let end = AFTER_LEASE.plus(LEASE);
    let held = lease(ledger, attempt(&key, NOW)).await;
    let held = ledger.extend(held, end).await.unwrap().expect("the lease holds");
    assert_eq!(
        ledger.claim(&attempt(&key, AFTER_LEASE)).await.unwrap(),
        Claim::Refused(held_by(held.attempt()))
    );
    assert_eq!(
        ledger.complete(held, &Completion::new()).await.unwrap(),
        Completed::Done
    );
}

/// 2.
pub(crate) async fn whoever_was_taken_over_can_change_nothing(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id().to_owned();
    let mut stale = Vec::new();
    for _ in 0..5 {
        let first = attempt(&key, NOW);
        stale.push(lease(ledger, first.clone()).await);
        // Freed, so that the next can be claimed at the same time: the leases stay as they were.
        assert_eq!(ledger.release(lease(ledger, first).await).await.unwrap(), Settled::Done);
    }
    let taken = lease(ledger, attempt(&key, NOW)).await;

    let mut stale = stale.into_iter();
    let mut next = || stale.next().unwrap();
    assert_eq!(
        ledger.complete(next(), &Completion::new()).await.unwrap(),
        Completed::Lost
    );
    let with_write = Completion::new().write(effect(&name));
    assert_eq!(ledger.complete(next(), &with_write).await.unwrap(), Completed::Lost);
    assert_eq!(ledger.release(next()).await.unwrap(), Settled::Lost);
    assert_eq!(ledger.extend(next(), AFTER_LEASE).await.unwrap(), None);
    assert_eq!(ledger.reject(next(), "why").await.unwrap(), Settled::Lost);

    assert_eq!(store.effects(&name).await, 0);
    assert_eq!(
        ledger.complete(taken, &Completion::new()).await.unwrap(),
        Completed::Done
    );
}

/// 2, its reverse: refusing would only repeat the effects.
pub(crate) async fn whose_lease_is_over_but_was_not_taken_may_still_complete(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let held = lease(ledger, attempt(&key, NOW)).await;
    assert_eq!(
        ledger.complete(held, &Completion::new()).await.unwrap(),
        Completed::Done
    );
    assert_eq!(
        ledger.claim(&attempt(&key, AFTER_LEASE)).await.unwrap(),
        Claim::Refused(done_without_a_trace())
    );
}

/// 3.
pub(crate) async fn a_completed_record_is_replaced_only_after_it_expired(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let day = Duration::from_secs(24 * 60 * 60);
    let kept = attempt(&key, NOW).with_retention(day);
    let held = lease(ledger, kept).await;
    assert_eq!(
        ledger
            .complete(held, &Completion::new().data("{\"n\":1}"))
            .await
            .unwrap(),
        Completed::Done
    );

    let done = Standing::Completed {
        data: Some("{\"n\":1}".to_owned()),
        outgoing: vec![],
    };
    for now in [AFTER_LEASE, NOW.plus(day)] {
        assert_eq!(
            ledger.claim(&attempt(&key, now)).await.unwrap(),
            Claim::Refused(done.clone())
        );
        assert_eq!(
            ledger.reject_unclaimed(&attempt(&key, now), "why").await.unwrap(),
            Some(done.clone())
        );
    }
    let _again = lease(ledger, attempt(&key, NOW.plus(day + Duration::from_secs(1)))).await;
}

/// 3.
pub(crate) async fn a_completed_record_is_not_lost_to_a_late_failure_of_its_own_attempt(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let first = attempt(&key, NOW);
    let mut copies = Vec::new();
    for _ in 0..3 {
        // A claim sent again is granted again: three copies of one lease, as after lost replies.
        copies.push(lease(ledger, first.clone()).await);
    }
    let mut next = || copies.pop().unwrap();
    assert_eq!(
        ledger.complete(next(), &Completion::new()).await.unwrap(),
        Completed::Done
    );
    assert_eq!(ledger.release(next()).await.unwrap(), Settled::Lost);
    assert_eq!(ledger.reject(next(), "why").await.unwrap(), Settled::Lost);
    assert_eq!(
        ledger.claim(&attempt(&key, AFTER_LEASE)).await.unwrap(),
        Claim::Refused(done_without_a_trace())
    );
}

/// 3.
pub(crate) async fn a_rejected_record_is_terminal_and_gives_its_reason(store: &impl Store) {
    let (ledger, claimed, unclaimed) = (store.ledger(), fresh_key(), fresh_key());
    let held = lease(ledger, attempt(&claimed, NOW)).await;
    assert_eq!(ledger.reject(held, "does not add up").await.unwrap(), Settled::Done);
    assert_eq!(
        ledger
            .reject_unclaimed(&attempt(&unclaimed, NOW), "does not add up")
            .await
            .unwrap(),
        None
    );
    for key in [claimed, unclaimed] {
        assert_eq!(
            ledger.claim(&attempt(&key, AFTER_LEASE)).await.unwrap(),
            Claim::Refused(Standing::Rejected("does not add up".to_owned()))
        );
    }
}

/// 4.
pub(crate) async fn a_request_sent_again_is_answered_as_if_the_first_reply_had_come(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let first = attempt(&key, NOW);
    let (held, copy) = (lease(ledger, first.clone()).await, lease(ledger, first).await);
    assert_eq!(
        ledger.complete(held, &Completion::new()).await.unwrap(),
        Completed::Done
    );
    assert_eq!(
        ledger.complete(copy, &Completion::new()).await.unwrap(),
        Completed::Done
    );

    let (key, unclaimed) = (fresh_key(), attempt(&fresh_key(), NOW));
    let first = attempt(&key, NOW);
    let (held, copy) = (lease(ledger, first.clone()).await, lease(ledger, first).await);
    assert_eq!(ledger.reject(held, "why").await.unwrap(), Settled::Done);
    assert_eq!(ledger.reject(copy, "why").await.unwrap(), Settled::Done);
    assert_eq!(ledger.reject_unclaimed(&unclaimed, "why").await.unwrap(), None);
    assert_eq!(ledger.reject_unclaimed(&unclaimed, "why").await.unwrap(), None);

    let first = attempt(&fresh_key(), NOW);
    let (held, copy) = (lease(ledger, first.clone()).await, lease(ledger, first.clone()).await);
    assert_eq!(ledger.release(held).await.unwrap(), Settled::Done);
    assert_eq!(ledger.release(copy).await.unwrap(), Settled::Done);
}

/// 4 and 6.
pub(crate) async fn a_transaction_sent_again_applies_its_writes_once(store: &impl Store) {
    let (ledger, claimed, committed) = (store.ledger(), attempt(&fresh_key(), NOW), attempt(&fresh_key(), NOW));
    let name = claimed.key().record_id();
    for held in [
        lease(ledger, claimed.clone()).await,
        lease(ledger, claimed.clone()).await,
    ] {
        let completion = Completion::new().write(effect(name));
        assert_eq!(ledger.complete(held, &completion).await.unwrap(), Completed::Done);
    }
    assert_eq!(store.effects(name).await, 1);

    let name = committed.key().record_id();
    for _ in 0..2 {
        let completion = Completion::new().write(effect(name));
        assert_eq!(ledger.commit(&committed, &completion).await.unwrap(), Committed::Done);
    }
    assert_eq!(store.effects(name).await, 1);
}

/// 6.
pub(crate) async fn of_two_commits_one_is_applied_and_the_other_learns_that_it_is_a_duplicate(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id();
    let completion = || Completion::new().data("1").write(effect(name));
    assert_eq!(
        ledger.commit(&attempt(&key, NOW), &completion()).await.unwrap(),
        Committed::Done
    );
    let done = Committed::NotFree(Standing::Completed {
        data: Some("1".to_owned()),
        outgoing: vec![],
    });
    assert_eq!(
        ledger.commit(&attempt(&key, AFTER_LEASE), &completion()).await.unwrap(),
        done
    );
    assert_eq!(store.effects(name).await, 1);
}

/// 6.
pub(crate) async fn a_commit_waits_for_a_claim(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id();
    let held = lease(ledger, attempt(&key, NOW)).await;
    let completion = Completion::new().write(effect(name));
    assert_eq!(
        ledger.commit(&attempt(&key, NOW), &completion).await.unwrap(),
        Committed::NotFree(held_by(held.attempt()))
    );
    assert_eq!(store.effects(name).await, 0);
    assert_eq!(
        ledger.commit(&attempt(&key, AFTER_LEASE), &completion).await.unwrap(),
        Committed::Done
    );
    assert_eq!(store.effects(name).await, 1);
}

/// 6.
pub(crate) async fn effect_and_record_happen_together_or_not_at_all(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let name = key.record_id();
    let refusal = Refusal::Permanent("no".to_owned());
    let refused = Completion::new()
        .write(effect(name))
        .write(refused_effect(&format!("{name} 2"), refusal.clone()));

    let held = lease(ledger, attempt(&key, NOW)).await;
    let Completed::Refused(held, why) = ledger.complete(held, &refused).await.unwrap() else {
        panic!("not refused")
    };
    assert_eq!(why, refusal);
    assert_eq!(store.effects(name).await, 0);

    // The lease still holds, and nothing is recorded.
    assert_eq!(ledger.release(held).await.unwrap(), Settled::Done);
    assert_eq!(
        ledger.commit(&attempt(&key, NOW), &refused).await.unwrap(),
        Committed::Refused(refusal)
    );
    assert_eq!(store.effects(name).await, 0);
    let _free = lease(ledger, attempt(&key, NOW)).await;
}

/// 8.
pub(crate) async fn a_key_seen_with_another_payload_is_an_error_while_its_record_exists(store: &impl Store) {
    let (ledger, key) = (store.ledger(), fresh_key());
    let first = |now| attempt(&key, now).with_fingerprint("a");
    let other = |now| attempt(&key, now).with_fingerprint("b");
    let mismatch = Standing::OtherPayload {
        recorded: "a".to_owned(),
    };

    let _held = lease(ledger, first(NOW)).await;
    // In progress, with its lease over, and completed.
    assert_eq!(
        ledger.claim(&other(NOW)).await.unwrap(),
        Claim::Refused(mismatch.clone())
    );
    assert_eq!(
        ledger.claim(&other(AFTER_LEASE)).await.unwrap(),
        Claim::Refused(mismatch.clone())
    );
    let held = lease(ledger, first(AFTER_LEASE)).await;
    assert_eq!(
        ledger.complete(held, &Completion::new()).await.unwrap(),
        Completed::Done
    );
    assert_eq!(
        ledger.claim(&other(AFTER_LEASE)).await.unwrap(),
        Claim::Refused(mismatch)
    );
    assert_eq!(
        ledger.claim(&first(AFTER_LEASE)).await.unwrap(),
        Claim::Refused(done_without_a_trace())
    );
}

fn done_without_a_trace() -> Standing {
    Standing::Completed {
        data: None,
        outgoing: vec![],
    }
}
