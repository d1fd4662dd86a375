//! Each test of the suite fails for a queue that breaks its promise.

use conformance::source as suite;
use consumer::MemorySource;

use crate::broken::{Broken, Defect};
use crate::memory::Memory;

fn standard(defect: Defect) -> Memory<Broken> {
    Memory::of(Broken::new(MemorySource::new(), defect))
}

fn fifo(defect: Defect) -> Memory<Broken> {
    Memory::of(Broken::new(MemorySource::fifo(), defect))
}

fn held(defect: Defect) -> Memory<Broken> {
    Memory::of(Broken::new(MemorySource::held(), defect))
}

/// `QUEUE(DEFECT) fails CHECK`: the check panics, and does not without the defect.
macro_rules! defects {
    ($($queue:ident($defect:ident) fails $check:ident,)*) => {
        #[tokio::test(start_paused = true)]
        async fn each_defect_fails_the_test_of_its_promise() {
            $(
                let checked = |defect| tokio::spawn(async move { suite::$check(&$queue(defect)).await });
                let name = concat!(stringify!($queue), " ", stringify!($defect), " ", stringify!($check));
                assert!(checked(Defect::None).await.is_ok(), "{name}: fails without the defect");
                let failed = checked(Defect::$defect).await;
                assert!(failed.is_err_and(|error| error.is_panic()), "{name}: passes");
            )*
        }

        #[test]
        fn every_test_of_the_suite_has_a_defect() {
            let with_defect = [$(stringify!($check)),*];
            let without: Vec<_> = suite::TESTS.iter().filter(|test| !with_defect.contains(test)).collect();
            assert!(without.is_empty(), "{without:?}");
        }
    };
}

defects! {
    standard(ReturnsMore) fails receives_return_at_most_max,
    standard(HidesNothing) fails a_received_message_is_hidden,
    standard(DeletesWhatItReturns) fails an_unsettled_message_is_redelivered,
    standard(CountsNoReceives) fails a_redelivery_raises_the_receive_count,
    standard(CountsRetriesOnly) fails a_redelivery_raises_the_receive_count,
    standard(CountsNoReceives) fails a_retry_raises_the_receive_count,
    standard(ExtendsNothing) fails an_extended_message_stays_hidden,
    standard(KeepsWhatIsDone) fails a_done_message_is_deleted,
    standard(KeepsWhatIsRejected) fails a_rejected_message_is_deleted,
    standard(RetriesAtOnce) fails a_retry_at_a_time_is_received_then_and_not_earlier,
    standard(RetriesNever) fails a_retry_at_a_time_is_received_then_and_not_earlier,
    standard(RetriesNever) fails a_retry_now_is_received_at_once,
    held(RetriesNever) fails a_retry_now_is_received_at_once,
    standard(DeletesRetries) fails a_retry_without_a_time_stays_in_the_queue,
    standard(StaleReceiptsDelete) fails a_stale_receipt_deletes_nothing,
    fifo(StaleReceiptsDelete) fails a_stale_receipt_deletes_nothing,
    standard(StaleReceiptsReveal) fails a_stale_receipt_makes_nothing_visible,
    fifo(StopsAtAFailure) fails a_message_with_two_receipts_is_deleted,
    standard(StopsAtAFailure) fails a_failed_entry_does_not_affect_others,
    standard(SettlesTenOnly) fails many_messages_are_extended_and_settled_at_once,
    standard(ExtendsTenOnly) fails many_messages_are_extended_and_settled_at_once,
    fifo(Reverses) fails a_group_keeps_its_order,
    held(Reverses) fails a_group_keeps_its_order,
    fifo(ReversesRedelivered) fails a_group_keeps_its_order_across_a_redelivery,
    held(ReversesRedelivered) fails a_group_keeps_its_order_across_a_redelivery,
    fifo(SendsRetriesAgain) fails a_group_keeps_its_order_across_a_retry,
    fifo(RetriesAtOnce) fails a_group_waits_for_its_retry,
    standard(ClaimsOrder) fails groups_are_received_side_by_side,
    standard(TrimsBodies) fails what_a_producer_states_arrives_unchanged,
    standard(ForgetsGroups) fails what_a_producer_states_arrives_unchanged,
    standard(ForgetsAttributes) fails what_a_producer_states_arrives_unchanged,
    standard(CutsBodies) fails a_large_body_arrives_unchanged,
    standard(NeverCloses) fails a_closed_source_receives_nothing,
    standard(HangsAtTheClose) fails a_receive_ends_after_the_close,
    standard(ForgetsReceiptsAtTheClose) fails receipts_outlive_the_close,
}
