//! How many, how large and how slow requests may be.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures_util::stream;
use tokio::time::{Instant, sleep};

use super::bench::{ALL, Bench, DEADLINE, Options, request, script};
use crate::answer::{Ending, Platform};

#[tokio::test(start_paused = true)]
async fn no_more_messages_run_than_are_allowed() {
    for platform in ALL {
        let options = Options {
            concurrency: 3,
            ..Options::of(platform)
        };
        let bench = options.start();
        let began = Instant::now();
        let running: Vec<_> = (0..9)
            .map(|number| bench.delivering(&format!("m-{number}"), 1, &script(1000, &["done"])))
            .collect();
        for running in running {
            assert_eq!(running.await.unwrap(), platform.status(Ending::Acknowledged));
        }
        assert_eq!(began.elapsed(), Duration::from_secs(3), "those that are too many wait");
        assert_eq!(bench.push.handler.most_running.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_too_long_is_sent_again() {
    for platform in ALL {
        let options = Options {
            concurrency: 1,
            ..Options::of(platform)
        };
        let bench = options.start();
        let first = bench.delivering("m-1", 1, &script(40_000, &["done"]));
        sleep(Duration::from_millis(1)).await;
        let began = Instant::now();
        assert_eq!(
            bench.deliver("m-2", 1, &script(10, &["done"])).await,
            platform.status(Ending::Retry)
        );
        assert_eq!(began.elapsed(), DEADLINE / 4);
        assert_eq!(first.await.unwrap(), platform.status(Ending::Acknowledged));
        assert_eq!(
            (bench.ended().as_slice(), bench.copies().len()),
            (&["m-1".to_owned()][..], 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_was_waited_is_time_of_the_deadline() {
    let options = Options {
        concurrency: 1,
        ..Options::of(Platform::PubSub)
    };
    let bench = options.start();
    let began = Instant::now();
    let first = bench.delivering("m-1", 1, &script(10_000, &["done"]));
    sleep(Duration::from_millis(1)).await;
    bench.deliver("m-2", 1, &script(1_000_000, &["done"])).await;
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    assert_eq!(first.await.unwrap(), StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_at_most_its_limit() {
    for platform in ALL {
        let body = script(10, &["done"]);
        let bytes = axum::body::to_bytes(request(platform, "m-1", 1, &body).into_body(), 10_000)
            .await
            .unwrap();
        for (limit, expected) in [(bytes.len(), Ending::Acknowledged), (bytes.len() - 1, Ending::TooLarge)] {
            let options = Options {
                body: limit,
                ..Options::of(platform)
            };
            let bench = options.start();
            assert_eq!(
                bench.deliver("m-1", 1, &body).await,
                platform.status(expected),
                "{platform:?}"
            );
            assert_eq!(bench.begun(), usize::from(expected == Ending::Acknowledged));
            assert_eq!(bench.push.permits.available_permits(), 10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_frees_its_permit() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let (head, _) = request(platform, "m-1", 1, "").into_parts();
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let began = Instant::now();
        assert_eq!(
            bench.send(Request::from_parts(head, never)).await,
            platform.status(Ending::Slow)
        );
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert_eq!(bench.push.permits.available_permits(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_cancels_nothing() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let request = request(platform, "m-1", 1, &script(1000, &["done"]));
        let answering = Arc::clone(&bench.push).answer(request);
        assert!(
            tokio::time::timeout(Duration::from_millis(500), answering)
                .await
                .is_err()
        );
        assert_eq!(bench.push.tasks.len(), 1);
        bench.push.tasks.close();
        bench.push.tasks.wait().await;
        assert_eq!(bench.ended(), ["m-1"]);
        assert_eq!(
            bench.deliver("m-1", 2, &script(1000, &["done"])).await,
            platform.status(Ending::Acknowledged)
        );
        assert_eq!(bench.ended(), ["m-1"], "the first was completed");
    }
}
