//! The ledger in memory.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use idempotency::{Fault, Ledger as _, MemoryLedger, Refusal};

use crate::store::{NOW, Store, attempt, effect, fresh_key};
use crate::{concurrency, promises};

impl Store for MemoryLedger {
    type Ledger = Self;

    fn ledger(&self) -> &Self {
        self
    }

    async fn effects(&self, name: &str) -> usize {
        let key = AttributeValue::S(name.to_owned());
        let is_effect = |action: &TransactWriteItem| action.update().is_some_and(|update| update.key()["id"] == key);
        self.committed().iter().filter(|action| is_effect(action)).count()
    }
}

macro_rules! promises {
    ($($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            promises::$promise(&MemoryLedger::new()).await;
        }
    )*};
}

promises! {
    a_key_is_granted_to_nobody_else_while_its_lease_lasts
    a_lease_that_is_over_can_be_taken_and_then_its_holder_is_refused
    a_released_key_is_free_at_once
    an_extended_lease_lasts_to_its_new_end
    whoever_was_taken_over_can_change_nothing
    whose_lease_is_over_but_was_not_taken_may_still_complete
    a_completed_record_is_replaced_only_after_it_expired
    a_completed_record_is_not_lost_to_a_late_failure_of_its_own_attempt
    a_rejected_record_is_terminal_and_gives_its_reason
    a_request_sent_again_is_answered_as_if_the_first_reply_had_come
    a_transaction_sent_again_applies_its_writes_once
    of_two_commits_one_is_applied_and_the_other_learns_that_it_is_a_duplicate
    a_commit_waits_for_a_claim
    a_key_seen_with_another_payload_is_an_error_while_its_record_exists
}

/// The ledger in memory judges no write's condition, so this one is told.
#[tokio::test]
async fn effect_and_record_happen_together_or_not_at_all() {
    let ledger = MemoryLedger::new();
    // Once for the completion, once for the commit.
    (0..2).for_each(|_| ledger.inject(Fault::WriteRefused { write: 1, item: None }));
    promises::effect_and_record_happen_together_or_not_at_all(&ledger).await;
}

#[tokio::test]
async fn a_write_without_a_meaning_for_its_refusal_is_retried() {
    let (ledger, key) = (MemoryLedger::new(), fresh_key());
    ledger.inject(Fault::WriteRefused { write: 0, item: None });
    let completion = idempotency::Completion::new().write(effect("e"));
    let answer = ledger.commit(&attempt(&key, NOW), &completion).await.unwrap();
    assert!(
        matches!(answer, idempotency::Committed::Refused(Refusal::Retry(_))),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_claims_at_a_time_exactly_one_is_granted() {
    concurrency::of_fifty_claims_at_a_time_exactly_one_is_granted(&Arc::new(MemoryLedger::new()), 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_commits_at_a_time_exactly_one_is_applied() {
    concurrency::of_many_commits_at_a_time_exactly_one_is_applied(&Arc::new(MemoryLedger::new()), 500).await;
}
