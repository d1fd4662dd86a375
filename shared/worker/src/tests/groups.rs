//! Message groups of a FIFO queue.

use consumer::MemorySource;

use super::bench::Bench;
use super::log::PERMANENT;

/// The runs of a group's messages, whose IDs begin with its name.
fn of_group(bench: &Bench, group: &str) -> Vec<String> {
    let mut ids = bench.log.ids();
    ids.retain(|id| id.starts_with(group));
    ids
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_holds_its_group_only() {
    for reply_lost in [0, 1, 3] {
        let bench = Bench::new(MemorySource::fifo());
        for number in 1..=4 {
            let ends: &[_] = if number == 2 { &[10_000, 10_000] } else { &[] };
            bench.send_to(Some("a"), &format!("a-{number}"), 100, ends);
            bench.send_to(Some("b"), &format!("b-{number}"), 100, &[]);
        }
        let worker = bench.start();
        super::bench::pass(0.35).await;
        bench.fail(
            consumer::SourceOperation::Settle,
            consumer::InjectedFault::Unavailable,
            reply_lost,
        );
        bench.deletes_all(8).await;
        worker.stop().await.unwrap();
        assert_eq!(of_group(&bench, "a"), ["a-1", "a-2", "a-2", "a-2", "a-3", "a-4"]);
        assert_eq!(of_group(&bench, "b"), ["b-1", "b-2", "b-3", "b-4"]);
        let runs = bench.log.runs();
        let ended = |id: &str| runs.iter().rfind(|run| run.id == id).unwrap().ended.unwrap();
        assert!(ended("b-4") < ended("a-2"), "b did not wait");
        let first = runs.iter().find(|run| run.id == "a-2").unwrap();
        assert!((ended("a-2") - first.began).as_secs_f64() >= 20.0);
    }
}

#[tokio::test(start_paused = true)]
async fn groups_run_side_by_side_and_in_order() {
    let bench = Bench::new(MemorySource::fifo()).with_concurrency(20);
    for number in 1..=5 {
        for group in ["a", "b", "c", "d"] {
            bench.send_to(Some(group), &format!("{group}-{number}"), 1000, &[]);
        }
    }
    let worker = bench.start();
    bench.deletes_all(20).await;
    assert!(bench.seconds() < 7.0, "{}", bench.seconds());
    for group in ["a", "b", "c", "d"] {
        let expected: Vec<_> = (1..=5).map(|number| format!("{group}-{number}")).collect();
        assert_eq!(of_group(&bench, group), expected);
    }
    worker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_lettered_message_lets_its_group_go_on() {
    let bench = Bench::new(MemorySource::fifo());
    bench.send_to(Some("a"), "a-1", 0, &[PERMANENT]);
    bench.send_to(Some("a"), "a-2", 0, &[]);
    let worker = bench.start();
    bench.deletes_all(2).await;
    worker.stop().await.unwrap();
    assert_eq!((bench.dead_letters().len(), bench.receives("a-2").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_in_a_group_stay_hidden() {
    let bench = Bench::new(MemorySource::fifo());
    (1..=4).for_each(|number| bench.send_to(Some("a"), &format!("a-{number}"), 40_000, &[]));
    let worker = bench.start();
    bench.deletes_all(4).await;
    worker.stop().await.unwrap();
    assert_eq!(bench.log.ids(), ["a-1", "a-2", "a-3", "a-4"]);
    assert_eq!(bench.receives("a-4").len(), 1);
}
