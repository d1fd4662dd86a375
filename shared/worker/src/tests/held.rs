//! Message groups of a queue that can't hide a failed message, as RabbitMQ.

use std::time::Duration;

use consumer::MemorySource;

use super::bench::{Bench, pass};

fn three(bench: &Bench, ends: &[i64]) {
    bench.send_to(Some("a"), "a-1", 100, ends);
    bench.send_to(Some("a"), "a-2", 100, &[]);
    bench.send_to(Some("b"), "b-1", 100, &[]);
}

fn of_a(bench: &Bench) -> Vec<String> {
    let mut ids = bench.log.ids();
    ids.retain(|id| id.starts_with('a'));
    ids
}

#[tokio::test(start_paused = true)]
async fn a_held_message_is_retried_in_place() {
    let bench = Bench::new(MemorySource::held());
    three(&bench, &[5000, 5000]);
    let worker = bench.start();
    pass(1.0).await;
    assert_eq!(bench.deleted(), ["b-1"], "other groups go on");
    bench.deletes_all(3).await;
    worker.stop().await.unwrap();
    assert_eq!(of_a(&bench), ["a-1", "a-1", "a-1", "a-2"]);
    assert_eq!(bench.receives("a-1").len(), 1);
    assert!((10.0..12.0).contains(&bench.deletes("a-1")[0]));
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_place_counts_as_a_receive() {
    let bench = Bench::new(MemorySource::held()).with_max_receive_count(3);
    three(&bench, &[1000; 10]);
    let worker = bench.start();
    bench.deletes_all(3).await;
    worker.stop().await.unwrap();
    assert_eq!(of_a(&bench), ["a-1", "a-1", "a-1", "a-2"]);
    assert_eq!(bench.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn order_holds_across_a_lost_connection() {
    for lost_at in [0.05, 0.15, 3.0, 5.15, 5.25] {
        let bench = Bench::new(MemorySource::held());
        three(&bench, &[5000]);
        bench.send_to(Some("a"), "a-3", 100, &[]);
        let worker = bench.start();
        pass(lost_at).await;
        bench.source.0.memory.redeliver();
        bench.deletes_all(4).await;
        worker.stop().await.unwrap();
        let mut runs = of_a(&bench);
        runs.dedup();
        assert_eq!(runs, ["a-1", "a-2", "a-3"], "lost at {lost_at}");
        assert_eq!(bench.left(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_longest_time_is_no_hot_loop() {
    let bench = Bench::new(MemorySource::held().with_longest(Duration::from_secs(60)));
    three(&bench, &[600_000, 600_000]);
    let worker = bench.start();
    bench.deletes_all(3).await;
    worker.stop().await.unwrap();
    assert_eq!(of_a(&bench), ["a-1", "a-1", "a-1", "a-2"]);
    let receives = bench.receives("a-1");
    assert_eq!(
        receives.len(),
        3,
        "returned to the queue before the longest time is over"
    );
    assert!(
        (40.0..60.0).contains(&receives[1]) && (80.0..120.0).contains(&receives[2]),
        "{receives:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_held_message_is_returned_at_the_stop() {
    let bench = Bench::new(MemorySource::held());
    three(&bench, &[600_000]);
    let worker = bench.start();
    pass(5.0).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.left(), [("a-1".to_owned(), 0.0), ("a-2".to_owned(), 0.0)]);
    assert!(bench.seconds() < 26.0, "{}", bench.seconds());
}

#[tokio::test(start_paused = true)]
async fn a_message_without_time_left_is_returned_once() {
    let memory = MemorySource::held().with_longest(Duration::from_secs(40));
    let bench = Bench::new(memory).with_max_receive_count(1);
    // Until its handler is cancelled, 10 seconds before the longest time: then it is dead-lettered, and the other has none left.
    bench.send_to(Some("a"), "a-1", 1_000_000, &[]);
    bench.send_to(Some("a"), "a-2", 100, &[]);
    let worker = bench.start();
    bench.deletes_all(2).await;
    worker.stop().await.unwrap();
    assert_eq!(of_a(&bench), ["a-1", "a-2"]);
    assert_eq!(bench.dead_letters().len(), 1);
    assert_eq!(bench.receives("a-2").len(), 2);
}
