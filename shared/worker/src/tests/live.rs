//! Whether the process reports that it works.

use consumer::{InjectedFault, MemorySource, SourceOperation, Stop};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, pass};
use crate::health::Health;
use crate::poll::{self, Shared};
use service::Metrics;

pub(super) fn shared() -> Shared {
    Shared {
        stopping: CancellationToken::new(),
        stop: Stop::new(),
        health: Health::new(1),
        metrics: Metrics::new("worker"),
    }
}

async fn is_live_for(seconds: usize, shared: &Shared) {
    for second in 0..seconds {
        pass(1.0).await;
        assert!(shared.health.is_live(), "after {second} seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_is_live_whatever_it_waits_for() {
    let bench = Bench::new(MemorySource::new()).with_concurrency(1);
    let shared = shared();
    let running = tokio::spawn(poll::run(bench.queue(), 0, shared.clone()));
    // For permits.
    bench.send("m-1", 400_000, &[]);
    is_live_for(400, &shared).await;
    // For the next receive.
    bench.fail(SourceOperation::Receive, InjectedFault::Unavailable, 30);
    is_live_for(300, &shared).await;
    assert!(!shared.health.is_ready(), "the queue does not answer");
    bench.source.0.memory.send(consumer::Incoming::new(
        consumer::MessageId::new("m-2").unwrap(),
        "[400000,[]]",
    ));
    is_live_for(600, &shared).await;
    assert_eq!(bench.log.ids(), ["m-1", "m-2"]);
    assert!(shared.health.is_ready());
    // For the end of what is in process.
    shared.stop.at(Instant::now() + std::time::Duration::from_secs(300));
    shared.health.stops(crate::DEFAULT_DRAIN);
    shared.stopping.cancel();
    assert!(!shared.health.is_ready());
    is_live_for(100, &shared).await;
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_has_ended_is_not_stuck() {
    let bench = Bench::new(MemorySource::new());
    let shared = shared();
    let running = tokio::spawn(poll::run(bench.queue(), 0, shared.clone()));
    pass(1.0).await;
    shared.stopping.cancel();
    running.await.unwrap().unwrap();
    // The loop of another queue may drain for long.
    is_live_for(100, &shared).await;
}
