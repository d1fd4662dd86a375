//! The end of a worker.

use std::time::Duration;

use consumer::{InjectedFault, MemorySource, SourceOperation};

use super::bench::{Bench, pass};

#[tokio::test(start_paused = true)]
async fn an_outstanding_poll_ends_and_returns_its_messages() {
    for memory in [MemorySource::new(), MemorySource::fifo(), MemorySource::held()] {
        let bench = Bench::new(memory);
        let worker = bench.start();
        pass(5.0).await;
        worker.begin_stop();
        pass(5.0).await;
        (1..=3).for_each(|number| bench.send_to(Some("a"), &format!("m-{number}"), 0, &[]));
        worker.ends().await.unwrap();
        assert_eq!(bench.receives("m-1").len(), 1, "the poll was not dropped");
        let hidden: Vec<_> = bench.left().into_iter().map(|(_, seconds)| seconds).collect();
        assert_eq!((hidden, bench.log.ids().len()), (vec![0.0; 3], 0));
        assert!(bench.seconds() < 21.0, "{}", bench.seconds());
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_in_a_group_are_returned_at_the_stop() {
    let bench = Bench::new(MemorySource::fifo());
    bench.send_to(Some("a"), "a-1", 15_000, &[]);
    bench.send_to(Some("a"), "a-2", 0, &[]);
    bench.send_to(Some("a"), "a-3", 0, &[]);
    let worker = bench.start();
    pass(5.0).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.deleted(), ["a-1"], "a running handler has the drain time");
    assert_eq!(bench.log.ids(), ["a-1"]);
    assert_eq!(bench.left(), [("a-2".to_owned(), 0.0), ("a-3".to_owned(), 0.0)]);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_during_a_long_drain() {
    let memory = MemorySource::new().with_window(Duration::from_secs(10));
    let bench = Bench::new(memory).with_drain(120);
    bench.send("m-1", 100_000, &[]);
    let worker = bench.start();
    pass(1.0).await;
    worker.begin_stop();
    for _ in 0..98 {
        pass(1.0).await;
        assert!(bench.left()[0].1 > 0.0, "visible after {}", bench.seconds());
    }
    worker.ends().await.unwrap();
    assert_eq!((bench.deleted().len(), bench.receives("m-1").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlasts_the_drain_is_cancelled() {
    let bench = Bench::new(MemorySource::new());
    bench.send("m-1", 1_000_000, &[]);
    let worker = bench.start();
    pass(5.0).await;
    worker.stop().await.unwrap();
    let run = bench.log.runs().pop().unwrap();
    assert!(run.ended.is_some() && !run.is_complete);
    assert!((25.0..28.0).contains(&bench.seconds()), "{}", bench.seconds());
    let left = bench.left();
    assert!(left.len() == 1 && left[0].1 <= 33.0, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_fails_around_the_stop_is_repeated() {
    for seed in 0..20 {
        fastrand::seed(seed);
        for stop_at in [0.9, 1.0, 1.1, 1.5] {
            let bench = Bench::new(MemorySource::new());
            bench.send("m-1", 1000, &[]);
            bench.fail(SourceOperation::Settle, InjectedFault::Unavailable, 2);
            let worker = bench.start();
            pass(stop_at).await;
            worker.stop().await.unwrap();
            assert_eq!(bench.deleted(), ["m-1"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_bounded_whatever_the_queue_does() {
    for operation in [
        SourceOperation::Receive,
        SourceOperation::Settle,
        SourceOperation::Extend,
    ] {
        for fault in [InjectedFault::Unavailable, InjectedFault::Refused, InjectedFault::Hangs] {
            let bench = Bench::new(MemorySource::new());
            bench.send("m-1", 1000, &[]);
            bench.send("m-2", 1_000_000, &[]);
            let worker = bench.start();
            pass(0.5).await;
            bench.fail(operation, fault, 10_000);
            pass(21.0).await;
            let stopped = bench.seconds();
            worker.begin_stop();
            let end = tokio::time::Instant::now() + Duration::from_secs(200);
            while !worker.is_finished() {
                assert!(tokio::time::Instant::now() < end, "{operation:?} {fault:?}");
                pass(0.1).await;
            }
            // A receive may take a minute.
            let took = bench.seconds() - stopped;
            assert!(took <= 71.0, "{operation:?} {fault:?}: {took}");
        }
    }
}
