//! Messages whose handler takes longer than they are hidden.

use std::time::Duration;

use consumer::{InjectedFault, MemorySource, SourceOperation};
use idempotency::Status;

use super::bench::{Bench, pass};
use super::probe::Latency;

#[tokio::test(start_paused = true)]
async fn a_message_slower_than_its_window_runs_once() {
    let bench = Bench::new(MemorySource::new());
    bench.send("m-1", 90_000, &[]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    let counts = (
        bench.log.ids().len(),
        bench.receives("m-1").len(),
        bench.deletes("m-1").len(),
    );
    assert_eq!(counts, (1, 1, 1));
    assert!(bench.seconds() < 91.0 + 21.0, "{}", bench.seconds());
}

#[tokio::test(start_paused = true)]
async fn ten_slow_messages_are_extended_in_batches() {
    let bench = Bench::new(MemorySource::new());
    (0..10).for_each(|number| bench.send(&format!("m-{number}"), 90_000, &[]));
    let worker = bench.start();
    bench.deletes_all(10).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.log.ids().len(), 10);
    let extends = bench.source.0.extends();
    assert!(
        extends.iter().all(|entries| *entries == 10) && extends.len() <= 6,
        "{extends:?}"
    );
}

/// A message that is extended once, fails after 16 seconds, and is to be retried 600 seconds later.
async fn retried_later(bench: &Bench) {
    bench.send("m-1", 16_000, &[600_000]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    let (delays, receives) = (bench.delays("m-1"), bench.receives("m-1"));
    assert_eq!(receives.len(), 2, "{receives:?}");
    assert!((616.0..618.0).contains(&receives[1]), "{receives:?}");
    let overwrites = |at: &f64| delays[0] < *at && *at < receives[1];
    let extensions = bench.extensions("m-1");
    assert!(!extensions.iter().any(overwrites), "{extensions:?} after {delays:?}");
    worker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_never_overwrites_a_retry_delay() {
    let bench = Bench::new(MemorySource::new());
    retried_later(&bench).await;
    assert_eq!(bench.delays("m-1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_whose_reply_was_lost_is_not_overwritten() {
    for faults in 1..6 {
        fastrand::seed(faults);
        let bench = Bench::new(MemorySource::new());
        let faults = usize::try_from(faults).unwrap();
        bench.fail(SourceOperation::Settle, InjectedFault::ReplyLost, faults);
        retried_later(&bench).await;
        assert_eq!(bench.delays("m-1").len(), faults + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_not_overwritten_by_a_beat_in_flight() {
    let bench = Bench::new(MemorySource::new());
    bench.source.0.latency.lock().unwrap().extend = Duration::from_millis(1500);
    retried_later(&bench).await;
    assert_eq!(bench.extensions("m-1")[0], 16.5, "the beat ended after the verdict");
}

#[tokio::test(start_paused = true)]
async fn a_failed_delay_is_repeated_before_its_window_ends() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let bench = Bench::new(MemorySource::new());
        // The queue is down from 16 to 26 seconds at least; the window ends after 45.
        bench.send("m-1", 16_000, &[600_000]);
        let worker = bench.start();
        pass(15.5).await;
        bench.fail(SourceOperation::Settle, InjectedFault::Unavailable, 6);
        bench.deletes_all(1).await;
        let receives = bench.receives("m-1");
        assert!(receives.len() == 2 && receives[1] >= 616.0, "{seed}: {receives:?}");
        worker.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_beat_is_repeated_in_time() {
    for fault in [
        InjectedFault::Unavailable,
        InjectedFault::Refused,
        InjectedFault::ReplyLost,
        InjectedFault::EntryFails(0),
    ] {
        let bench = Bench::new(MemorySource::new());
        bench.fail(SourceOperation::Extend, fault, 5);
        bench.send("m-1", 40_000, &[]);
        let worker = bench.start();
        bench.deletes_all(1).await;
        worker.stop().await.unwrap();
        assert_eq!(bench.receives("m-1").len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_is_repeated_in_time() {
    let bench = Bench::new(MemorySource::new());
    bench.fail(SourceOperation::Extend, InjectedFault::Hangs, 1);
    bench.fail(SourceOperation::Settle, InjectedFault::Hangs, 1);
    bench.send("m-1", 60_000, &[]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.receives("m-1").len(), 1);
    assert_eq!(bench.status("m-1"), Some(Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn slow_requests_do_not_meet_at_one_receipt() {
    let second = Duration::from_secs(1);
    for seconds in 10..22 {
        let bench = Bench::new(MemorySource::new());
        *bench.source.0.latency.lock().unwrap() = Latency {
            extend: second * 2,
            settle: second * 3,
        };
        (0..5).for_each(|number| bench.send(&format!("m-{number}"), (seconds + number) * 1000, &[]));
        let worker = bench.start();
        bench.deletes_all(5).await;
        worker.stop().await.unwrap();
        assert_eq!(bench.log.ids().len(), 5);
    }
}
