//! Each promise as a test of its own.

/// Makes a test of each promise: `store_tests! { start: EXPRESSION, rounds: ROUNDS }`.
///
/// `start` is evaluated in each test. It may `await`, and is an `Option` of an [`UnderTest`](crate::store::UnderTest):
/// `None` skips the test, for example because there is no server. `rounds` is how often concurrent attempts compete, and
/// how many random histories are compared. The crate of the tests depends on `tokio` with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_tests {
    (start: $start:expr, rounds: $rounds:expr $(,)?) => {
        $crate::store_tests! {
            @promises $start;
            a_leased_key_is_granted_to_no_other_attempt
            a_lease_that_is_over_is_taken_and_its_holder_loses
            a_released_key_is_free_at_once
            an_extended_lease_lasts_to_its_new_end
            an_extension_never_moves_an_end_backwards
            a_zombie_can_change_nothing
            a_lease_that_is_over_but_not_taken_can_complete
            a_completed_record_is_replaced_only_after_it_expires
            a_completed_record_survives_its_own_late_failure
            a_rejected_record_is_final_and_gives_its_reason
            a_repeated_request_is_answered_like_the_first
            a_repeated_transaction_applies_its_writes_once
            of_two_commits_the_second_is_a_duplicate
            a_commit_waits_for_a_lease
            writes_and_record_are_applied_together_or_not_at_all
            a_key_with_another_payload_is_an_error
            messages_of_a_claimed_completion_survive
            messages_of_a_commit_survive
            messages_stay_if_the_effect_existed
            a_claim_is_granted_despite_losses
            writes_are_applied_once_despite_losses
            a_release_is_made_despite_losses
            a_rejection_is_made_despite_losses
            an_extension_is_made_despite_losses
            a_duplicate_stays_one_despite_losses
        }
        $crate::store_tests! {
            @rounds $start, $rounds;
            of_fifty_concurrent_claims_one_is_granted
            of_fifty_concurrent_takeovers_one_is_granted
            of_ten_concurrent_commits_one_is_applied
            of_ten_concurrent_copies_of_a_commit_all_are_answered
            a_completion_and_a_takeover_never_both_succeed
            every_history_is_answered_as_decided
        }
    };
    (@promises $start:expr; $($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            if let Some(store) = $start {
                $crate::store::$promise(&std::sync::Arc::new(store)).await;
            }
        }
    )*};
    (@rounds $start:expr, $rounds:expr; $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $promise() {
            if let Some(store) = $start {
                $crate::store::$promise(&std::sync::Arc::new(store), $rounds).await;
            }
        }
    )*};
}
