//! Each promise as a test of its own.

/// Makes a test of each promise: `source_tests! { #[tokio::test] start: EXPRESSION }`.
///
/// `start` is evaluated in each test. It may `await`, and is an `Option` of an [`UnderTest`](crate::source::UnderTest) with a
/// fresh, empty queue: `None` skips the test, for example because there is no server. For a queue on tokio's clock the attribute is
/// `#[tokio::test(start_paused = true)]`.
#[macro_export]
macro_rules! source_tests {
    (#[$test:meta] start: $start:expr $(,)?) => {
        $crate::source_promises! { test #[$test] $start; }
    };
}

/// Passes the names of all tests to one of the rules below: the only list of them.
#[doc(hidden)]
#[macro_export]
macro_rules! source_promises {
    ($($rule:tt)*) => {
        $crate::source_promise! {
            $($rule)*
            receives_return_at_most_max
            a_received_message_is_hidden
            an_unsettled_message_is_redelivered
            a_redelivery_raises_the_receive_count
            an_extended_message_stays_hidden
            a_done_message_is_deleted
            a_rejected_message_is_deleted
            a_retry_at_a_time_is_received_then_and_not_earlier
            a_retry_now_is_received_at_once
            a_retry_without_a_time_stays_in_the_queue
            a_retry_raises_the_receive_count
            a_stale_receipt_deletes_nothing
            a_stale_receipt_makes_nothing_visible
            a_message_with_two_receipts_is_deleted
            a_failed_entry_does_not_affect_others
            many_messages_are_extended_and_settled_at_once
            a_group_keeps_its_order
            a_group_keeps_its_order_across_a_redelivery
            a_group_keeps_its_order_across_a_retry
            a_group_waits_for_its_retry
            groups_are_received_side_by_side
            what_a_producer_states_arrives_unchanged
            a_large_body_arrives_unchanged
            a_closed_source_receives_nothing
            a_receive_ends_after_the_close
            receipts_outlive_the_close
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! source_promise {
    (names; $($promise:ident)*) => {
        &[$(stringify!($promise)),*]
    };
    (test #[$test:meta] $start:expr;) => {};
    (test #[$test:meta] $start:expr; $promise:ident $($rest:ident)*) => {
        #[$test]
        async fn $promise() {
            if let Some(queue) = $start {
                $crate::source::$promise(&queue).await;
            }
        }
        $crate::source_promise! { test #[$test] $start; $($rest)* }
    };
}

/// The names of all tests.
pub const TESTS: &[&str] = crate::source_promises! { names; };
