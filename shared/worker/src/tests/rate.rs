//! A bounded rate.

use std::num::NonZeroU32;

use consumer::MemorySource;
use tokio::time::Duration;

use super::bench::{Bench, pass};
use crate::Worker;

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
