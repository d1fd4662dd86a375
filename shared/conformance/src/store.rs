//! The promises that every [`Store`](idempotency::Store) keeps, by their numbers in the README of `idempotency`.
//!
//! Each function is one test. [`store_tests!`](crate::store_tests) makes a test of each.

mod concurrency;
mod histories;
mod lost_replies;
mod macros;
mod memory;
mod outgoing;
mod promises;
mod pure;
mod shows;
mod under_test;

pub use concurrency::{
    a_completion_and_a_takeover_never_both_succeed, of_fifty_concurrent_claims_one_is_granted,
    of_fifty_concurrent_takeovers_one_is_granted, of_ten_concurrent_commits_one_is_applied,
    of_ten_concurrent_copies_of_a_commit_all_are_answered,
};
pub use histories::every_history_is_answered_as_decided;
pub use lost_replies::{
    a_claim_is_granted_despite_losses, a_duplicate_stays_one_despite_losses, a_rejection_is_made_despite_losses,
    a_release_is_made_despite_losses, an_extension_is_made_despite_losses, writes_are_applied_once_despite_losses,
};
pub use memory::{Effect, Memory};
pub use outgoing::{
    messages, messages_of_a_claimed_completion_survive, messages_of_a_commit_survive,
    messages_stay_if_the_effect_existed, sending, sent_ones_are_found,
};
pub use promises::{
    a_commit_waits_for_a_lease, a_completed_record_is_replaced_only_after_it_expires,
    a_completed_record_survives_its_own_late_failure, a_key_with_another_payload_is_an_error,
    a_lease_that_is_over_but_not_taken_can_complete, a_lease_that_is_over_is_taken_and_its_holder_loses,
    a_leased_key_is_granted_to_no_other_attempt, a_rejected_record_is_final_and_gives_its_reason,
    a_released_key_is_free_at_once, a_repeated_request_is_answered_like_the_first,
    a_repeated_transaction_applies_its_writes_once, a_zombie_can_change_nothing,
    an_extended_lease_lasts_to_its_new_end, an_extension_never_moves_an_end_backwards,
    of_two_commits_the_second_is_a_duplicate, writes_and_record_are_applied_together_or_not_at_all,
};
pub use shows::Shows;
pub use under_test::{
    AFTER_LEASE, LEASE, NOW, UnderTest, WriteOf, attempt, complete, fresh_key, lease, reject, release, soon,
};
