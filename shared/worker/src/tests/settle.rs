//! Acknowledgements.

use std::time::Duration;

use consumer::{InjectedFault, MemorySource, SourceOperation};

use super::bench::{Bench, pass};
use super::log::PERMANENT;

#[tokio::test(start_paused = true)]
async fn fast_messages_do_not_wait_for_a_slow_one() {
    let bench = Bench::new(MemorySource::new());
    bench.send("slow", 20_000, &[]);
    (1..10).for_each(|number| bench.send(&format!("m-{number}"), 0, &[]));
    let worker = bench.start();
    pass(0.3).await;
    assert_eq!(bench.deleted().len(), 9);
    for number in 1..10 {
        let deletes = bench.deletes(&format!("m-{number}"));
        assert!(deletes.len() == 1 && deletes[0] <= 0.201, "{deletes:?}");
    }
    bench.deletes_all(10).await;
    worker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_is_processed_once_and_deleted() {
    let bench = Bench::new(MemorySource::new());
    bench.send("m-1", 20_000, &[]);
    let worker = bench.start();
    pass(5.0).await;
    bench.source.0.memory.redeliver();
    pass(5.0).await;
    assert_eq!(bench.receives("m-1").len(), 2);
    assert!(bench.deletes("m-1").is_empty(), "not before the first is done");
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert_eq!((bench.log.ids().len(), bench.left().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_during_the_delete_is_deleted() {
    let bench = Bench::new(MemorySource::new());
    bench.source.0.latency.lock().unwrap().settle = Duration::from_secs(2);
    bench.send("m-1", 5_000, &[]);
    let worker = bench.start();
    pass(6.0).await;
    bench.source.0.memory.redeliver();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert_eq!((bench.log.ids().len(), bench.receives("m-1").len()), (1, 2));
    assert_eq!(bench.deletes("m-1").len(), 2, "the old receipt deletes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_during_a_beat_stays_hidden() {
    let bench = Bench::new(MemorySource::new());
    bench.source.0.latency.lock().unwrap().extend = Duration::from_secs(2);
    bench.send("m-1", 120_000, &[]);
    let worker = bench.start();
    pass(16.0).await;
    bench.source.0.memory.redeliver();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert_eq!((bench.log.ids().len(), bench.receives("m-1").len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn only_failed_entries_are_deleted_again() {
    let bench = Bench::new(MemorySource::new());
    (0..10).for_each(|number| bench.send(&format!("m-{number}"), 0, &[]));
    bench.fail(SourceOperation::Settle, InjectedFault::EntryFails(3), 1);
    bench.fail(SourceOperation::Settle, InjectedFault::EntryFails(0), 2);
    let worker = bench.start();
    bench.deletes_all(10).await;
    worker.stop().await.unwrap();
    for number in 0..10 {
        let deletes = bench.deletes(&format!("m-{number}"));
        assert_eq!(deletes.len(), if number == 3 { 4 } else { 1 }, "{number}: {deletes:?}");
    }
    assert_eq!(bench.receives("m-3").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delete_outlives_a_long_outage() {
    let bench = Bench::new(MemorySource::new());
    bench.fail(SourceOperation::Settle, InjectedFault::Unavailable, 15);
    bench.send("m-1", 0, &[]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert!(bench.deletes("m-1")[15] > 60.0, "{:?}", bench.deletes("m-1"));
    assert_eq!(bench.receives("m-1").len(), 1, "it was hidden meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_can_never_succeed_is_dead_lettered() {
    let bench = Bench::new(MemorySource::new());
    bench.send("m-1", 0, &[PERMANENT]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_always_too_slow_is_dead_lettered() {
    let memory = MemorySource::new().with_longest(Duration::from_secs(60));
    let bench = Bench::new(memory).with_max_receive_count(3);
    bench.send("m-1", 1_000_000, &[]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.receives("m-1").len(), 3, "{:?}", bench.record("m-1"));
    let reasons = bench.dead_letters();
    assert!(
        reasons.len() == 1 && reasons[0].contains("cancelled at the deadline"),
        "{reasons:?}"
    );
    assert!(bench.log.runs().iter().all(|run| !run.is_complete));
}
