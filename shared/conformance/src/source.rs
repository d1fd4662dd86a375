//! The promises that every [`Source`](consumer::Source) keeps.
//!
//! Each function is one test. [`source_tests!`](crate::source_tests) makes a test of each.

mod closing;
mod contents;
mod macros;
mod order;
mod receipts;
mod receiving;
mod settling;
mod under_test;

pub use closing::{a_closed_source_receives_nothing, a_receive_ends_after_the_close, receipts_outlive_the_close};
pub use contents::{a_large_body_arrives_unchanged, what_a_producer_states_arrives_unchanged};
pub use macros::TESTS;
pub use order::{
    a_group_keeps_its_order, a_group_keeps_its_order_across_a_redelivery, a_group_keeps_its_order_across_a_retry,
    a_group_waits_for_its_retry, groups_are_received_side_by_side,
};
pub use receipts::{
    a_failed_entry_does_not_affect_others, a_message_with_two_receipts_is_deleted, a_stale_receipt_deletes_nothing,
    a_stale_receipt_makes_nothing_visible, many_messages_are_extended_and_settled_at_once,
};
pub use receiving::{
    a_received_message_is_hidden, a_redelivery_raises_the_receive_count, an_extended_message_stays_hidden,
    an_unsettled_message_is_redelivered, receives_return_at_most_max,
};
pub use settling::{
    a_done_message_is_deleted, a_rejected_message_is_deleted, a_retry_at_a_time_is_received_then_and_not_earlier,
    a_retry_now_is_received_at_once, a_retry_raises_the_receive_count, a_retry_without_a_time_stays_in_the_queue,
};
pub use under_test::{Abilities, UnderTest};
