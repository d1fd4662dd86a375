//! What becomes of a message, on each platform.

use std::time::Duration;

use axum::http::StatusCode;
use consumer::QueueFault;
use consumer::dead_letter::{FAILURE, ORIGINAL};
use idempotency::{Fault, Key, Status};
use tokio::time::Instant;

use super::bench::{ALL, Bench, DEADLINE, Options, script};
use crate::answer::{Ending, Platform};

fn is_acknowledged(platform: Platform, status: StatusCode) -> bool {
    status == platform.status(Ending::Acknowledged)
}

/// Whether the platform sends the message again, by itself or as a copy.
fn is_retried(bench: &Bench, platform: Platform, status: StatusCode) -> bool {
    match platform {
        Platform::CloudTasks | Platform::AzureFunctions => {
            is_acknowledged(platform, status) && bench.copies().len() == 1
        }
        Platform::PubSub => status == platform.status(Ending::Retry),
    }
}

fn is_completed(bench: &Bench, id: &str) -> bool {
    let record = bench.push.services.store().record(&Key::new("scripted", id).unwrap());
    record.is_some_and(|record| record.status == Status::Completed)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_delivered_twice_is_processed_once() {
    for platform in ALL {
        let bench = Bench::new(platform);
        for nth in 1..=2 {
            let status = bench.deliver("m-1", nth, &script(10, &["done"])).await;
            assert!(is_acknowledged(platform, status), "{platform:?} {status}");
        }
        assert_eq!(bench.ended(), ["m-1"]);
        assert!(is_completed(&bench, "m-1") && bench.copies().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_deliveries_at_once_one_waits_for_the_lease() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let first = bench.delivering("m-1", 1, &script(1000, &["done"]));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let second = bench.deliver("m-1", 1, &script(1000, &["done"])).await;
        assert!(is_retried(&bench, platform, second), "{platform:?} {second}");
        // The lease lasts half a minute, and a second for the clocks. A random part of a second spreads copies.
        for after in bench.copies() {
            assert!((31..33).contains(&after.as_secs()), "{after:?}");
        }
        assert!(is_acknowledged(platform, first.await.unwrap()));
        assert_eq!(bench.ended(), ["m-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn lost_replies_of_the_ledger_are_recovered() {
    for platform in ALL {
        let bench = Bench::new(platform);
        for status in [Status::InProgress, Status::Completed] {
            bench.push.services.store().inject(Fault::ReplyLost(Some(status)));
        }
        let status = bench.deliver("m-1", 1, &script(10, &["done"])).await;
        assert!(is_acknowledged(platform, status), "{platform:?} {status}");
        assert_eq!(bench.ended(), ["m-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_handler_runs_and_nothing_is_acknowledged() {
    for platform in ALL {
        let bench = Bench::new(platform);
        (0..1000).for_each(|_| {
            bench
                .push
                .services
                .store()
                .inject(Fault::Unreachable(Some(Status::InProgress)))
        });
        let status = bench.deliver("m-1", 1, &script(10, &["done"])).await;
        assert!(is_retried(&bench, platform, status), "{platform:?} {status}");
        assert_eq!(bench.begun(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_once_is_done_at_its_next_delivery() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let body = script(10, &["retry", "done"]);
        let first = bench.deliver("m-1", 1, &body).await;
        assert!(is_retried(&bench, platform, first), "{platform:?} {first}");
        let second = bench.deliver("m-1", 2, &body).await;
        assert!(is_acknowledged(platform, second), "{platform:?} {second}");
        assert_eq!(bench.ended(), ["m-1", "m-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_acknowledged_after_its_dead_letter() {
    for platform in ALL {
        let bench = Bench::new(platform);
        // Before the queue answers, nothing is acknowledged.
        (0..1000).for_each(|_| bench.push.services.queues().inject(QueueFault::Refused));
        let unconfirmed = bench.deliver("m-1", 1, &script(10, &["never"])).await;
        assert!(is_retried(&bench, platform, unconfirmed), "{platform:?} {unconfirmed}");
        assert!(bench.dead_letters().is_empty());

        let bench = Bench::new(platform);
        let status = bench.deliver("m-1", 3, &script(10, &["never"])).await;
        assert!(is_acknowledged(platform, status), "{platform:?} {status}");
        let [dead_letter] = bench.dead_letters().try_into().unwrap();
        let text = |name: &str| dead_letter.attributes[name].string_value.clone().unwrap();
        assert_eq!(
            text(FAILURE),
            r#"{"reason":"never","code":"unusable","function":"scripted","receiveCount":3}"#
        );
        assert!(
            text(ORIGINAL).contains(r#""messageId":"m-1","queue":""#),
            "{}",
            text(ORIGINAL)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_message_of_the_handler_is_dead_lettered() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let status = bench.deliver("m-1", 1, "not JSON").await;
        assert!(is_acknowledged(platform, status), "{platform:?} {status}");
        assert_eq!((bench.dead_letters().len(), bench.begun()), (1, 0));
        assert_eq!(bench.dead_letters()[0].body, "not JSON");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_dead_letter_queue_a_rejected_message_stays() {
    for platform in ALL {
        let options = Options {
            has_dead_letters: false,
            ..Options::of(platform)
        };
        let bench = options.start();
        let status = bench.deliver("m-1", 1, &script(10, &["never"])).await;
        assert!(is_retried(&bench, platform, status), "{platform:?} {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_arrives_before_the_deadline() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let began = Instant::now();
        let status = bench.deliver("m-1", 1, &script(1_000_000, &["done"])).await;
        assert!(is_retried(&bench, platform, status), "{platform:?} {status}");
        let took = began.elapsed();
        assert!(
            DEADLINE - Duration::from_secs(5) < took && took < DEADLINE,
            "{platform:?} {took:?}"
        );
        assert_eq!((bench.begun(), bench.ended().len()), (1, 0));
        assert!(!is_completed(&bench, "m-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_copy_is_refused_and_stays() {
    for platform in [Platform::CloudTasks, Platform::AzureFunctions] {
        let options = Options {
            copies_fail: true,
            ..Options::of(platform)
        };
        let bench = options.start();
        let status = bench.deliver("m-1", 1, &script(10, &["retry"])).await;
        assert_eq!(status, platform.status(Ending::Retry));
        let line = "push_queue_errors_total{queue=\"orders\",operation=\"copy\"} 1";
        assert!(
            bench.metrics.text().lines().any(|found| found == line),
            "{}",
            bench.metrics.text()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_counted() {
    let bench = Bench::new(Platform::PubSub);
    let running = bench.delivering("m-1", 1, &script(1000, &["done"]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let has = |line: &str| bench.metrics.text().lines().any(|found| found == line);
    assert!(has("push_messages_in_flight{queue=\"orders\"} 1"));
    running.await.unwrap();
    bench.deliver("m-1", 2, &script(1000, &["done"])).await;
    bench.deliver("m-2", 1, &script(10, &["never"])).await;
    for line in [
        "push_messages_in_flight{queue=\"orders\"} 0",
        "push_messages_total{queue=\"orders\",outcome=\"done\"} 1",
        "push_messages_total{queue=\"orders\",outcome=\"duplicate\"} 1",
        "push_messages_total{queue=\"orders\",outcome=\"rejected\"} 1",
    ] {
        assert!(has(line), "{line} in\n{}", bench.metrics.text());
    }
}
