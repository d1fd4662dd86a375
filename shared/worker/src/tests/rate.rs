//! A bounded rate.

use std::num::NonZeroU32;

use consumer::MemorySource;
use tokio::time::Duration;

use super::bench::{Bench, pass};
use crate::Worker;

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_on_average_and_in_bursts() {
    for concurrency in [1, 10, 100] {
        for idle in [0.0, 25.0] {
            let bench = Bench::new(MemorySource::new()).with_concurrency(concurrency);
            let worker = bench.start_with(limited(&bench, 10));
            pass(idle).await;
            (0..100).for_each(|number| bench.send(&format!("m-{number}"), 1, &[]));
            bench.deletes_all(100).await;
            worker.stop().await.unwrap();
            let began: Vec<_> = bench.log.runs().iter().map(|run| run.began).collect();
            let took = *began.last().unwrap() - began[0];
            assert!((8.5..12.0).contains(&took.as_secs_f64()), "{concurrency}: {took:?}");
            let bound = Duration::from_millis(900);
            assert!(
                began.windows(22).all(|burst| burst[21] - burst[0] > bound),
                "{concurrency}, {idle}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_below_one_batch_a_second_is_kept() {
    let bench = Bench::new(MemorySource::new());
    let worker = bench.start_with(limited(&bench, 1));
    (0..20).for_each(|number| bench.send(&format!("m-{number}"), 0, &[]));
    bench.deletes_all(20).await;
    assert!((18.0..21.0).contains(&bench.seconds()), "{}", bench.seconds());
    worker.stop().await.unwrap();
}

fn limited(bench: &Bench, rate: u32) -> Worker {
    Worker::new().with_queue(bench.queue().with_rate(NonZeroU32::new(rate).unwrap()))
}
