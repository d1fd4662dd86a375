//! How the queue is polled.

use consumer::{InjectedFault, MemorySource, SourceOperation};

use super::bench::{Bench, pass};
use crate::{Worker, WorkerError};

#[tokio::test(start_paused = true)]
async fn no_more_is_received_than_there_are_permits() {
    for concurrency in [1, 3, 10, 25] {
        fastrand::seed(1);
        let bench = Bench::new(MemorySource::new()).with_concurrency(concurrency);
        let worker = bench.start();
        for number in 0..200 {
            bench.send(&format!("m-{number}"), fastrand::u64(0..20_000), &[]);
        }
        bench.deletes_all(200).await;
        worker.stop().await.unwrap();
        assert_eq!(bench.log.load().most, concurrency);
        assert_eq!(bench.log.ids().len(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_has_one_outstanding_receive() {
    let bench = Bench::new(MemorySource::new()).with_concurrency(40);
    let worker = bench.start();
    pass(299.0).await;
    assert_eq!(bench.log.load().most_polls, 1);
    assert_eq!(bench.source.0.receives().len(), 15, "each waits for 20 seconds");
    (0..400).for_each(|number| bench.send(&format!("m-{number}"), 1000, &[]));
    let sent = bench.seconds();
    bench.deletes_all(400).await;
    assert!(bench.log.load().most_polls > 1, "{:?}", bench.log.load());
    assert!(
        bench.seconds() - sent < 12.0,
        "40 at a time: {}",
        bench.seconds() - sent
    );
    // Then it is idle again.
    pass(60.0).await;
    let before = bench.source.0.receives().len();
    pass(200.0).await;
    assert_eq!(bench.source.0.receives().len() - before, 10);
    worker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn receives_that_fail_are_repeated_after_growing_delays() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let bench = Bench::new(MemorySource::new());
        bench.fail(SourceOperation::Receive, InjectedFault::Unavailable, 20);
        bench.send("m-1", 0, &[]);
        let worker = bench.start();
        bench.deletes_all(1).await;
        worker.stop().await.unwrap();
        let receives = bench.source.0.receives();
        let pauses: Vec<_> = receives
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0).as_secs_f64())
            .collect();
        for (pause, failures) in pauses[..20].iter().zip(0_u32..) {
            let bound = 2_f64.powi(failures.min(5).cast_signed()).min(30.0);
            assert!((0.1..=bound + 0.002).contains(pause), "{failures}: {pause}");
        }
        assert!(pauses[5..20].iter().any(|pause| *pause > 10.0), "{pauses:?}");
        let first = pauses[5];
        assert!(
            pauses[5..20].iter().any(|pause| (pause - first).abs() > 1.0),
            "jitter: {pauses:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn receives_that_fail_together_count_once() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let bench = Bench::new(MemorySource::new()).with_concurrency(100);
        let worker = bench.start();
        (0..300).for_each(|number| bench.send(&format!("m-{number}"), 1000, &[]));
        pass(0.9).await;
        bench.fail(SourceOperation::Receive, InjectedFault::Unavailable, 10);
        bench.deletes_all(300).await;
        worker.stop().await.unwrap();
        let receives = bench.source.0.receives();
        let failed = receives.iter().filter(|(began, _)| *began == receives[10].0).count();
        assert!(failed > 1, "they began at once: {receives:?}");
        let pause = receives.iter().find(|(began, _)| *began > receives[10].0).unwrap().0 - receives[10].0;
        assert!(pause.as_secs_f64() <= 1.002, "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_without_answer_does_not_end_polling() {
    let bench = Bench::new(MemorySource::new());
    bench.fail(SourceOperation::Receive, InjectedFault::Hangs, 1);
    bench.send("m-1", 0, &[]);
    let worker = bench.start();
    bench.deletes_all(1).await;
    worker.begin_stop();
    assert!(bench.seconds() < 130.0, "{}", bench.seconds());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_refuses_for_a_minute_ends_the_worker() {
    for seed in 0..10 {
        fastrand::seed(seed);
        let bench = Bench::new(MemorySource::new()).with_drain(60);
        bench.send("m-1", 100_000, &[]);
        let worker = bench.start();
        pass(1.0).await;
        bench.fail(SourceOperation::Receive, InjectedFault::Refused, 1000);
        let result = worker.ends().await;
        assert!(matches!(result, Err(WorkerError::Refused(_))), "{result:?}");
        assert_eq!(bench.deleted(), ["m-1"], "what is in process is done");
        assert!(bench.seconds() < 20.0 + 60.0 + 31.0, "{}", bench.seconds());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_worker_ends_although_a_handler_runs_on() {
    let bench = Bench::new(MemorySource::new());
    bench.send("m-1", 10_000_000, &[]);
    let worker = bench.start();
    pass(1.0).await;
    bench.fail(SourceOperation::Receive, InjectedFault::Refused, 1000);
    let result = worker.ends().await;
    assert!(matches!(result, Err(WorkerError::Refused(_))), "{result:?}");
    assert!(bench.seconds() < 20.0 + 90.0 + 30.0, "{}", bench.seconds());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_refuses_for_half_a_minute_is_polled_again() {
    for seed in 0..20 {
        fastrand::seed(seed);
        let bench = Bench::new(MemorySource::new());
        for number in 0..4 {
            bench.fail(SourceOperation::Receive, InjectedFault::Refused, 5);
            let id = format!("m-{number}");
            bench.send(&id, 0, &[]);
            if number == 0 {
                std::mem::forget(bench.start());
            }
            bench.deletes_all(number + 1).await;
            pass(61.0).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_refused_queue_ends_both_cleanly() {
    let (first, second) = (Bench::new(MemorySource::new()), Bench::new(MemorySource::new()));
    first.fail(SourceOperation::Receive, InjectedFault::Refused, 1000);
    let worker = Worker::new().with_queue(first.queue()).with_queue(second.queue());
    let worker = second.start_with(worker);
    pass(10.0).await;
    second.send("done", 1000, &[]);
    second.deletes_all(1).await;
    while second.log.ids().len() < 2 {
        // One is in process at the end, whenever it is.
        pass(10.0).await;
        if worker.is_finished() {
            break;
        }
        let id = format!("late-{}", second.seconds());
        second.send(&id, 9_000, &[]);
        pass(1.0).await;
    }
    let result = worker.ends().await;
    assert!(matches!(result, Err(WorkerError::Refused(_))), "{result:?}");
    assert!(second.log.runs().iter().all(|run| run.is_complete));
    assert_eq!(second.left(), []);
}
