//! The end of a push host.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::bench::{ALL, Bench, script};
use crate::answer::{Ending, Platform};
use crate::server::serve;

const DRAIN: Duration = Duration::from_secs(5);

/// Cloud Run ends a process this long after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn messages_in_process_are_finished_and_no_more_are_started() {
    for platform in ALL {
        let bench = Bench::new(platform);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serving = tokio::spawn(serve(listener, Arc::clone(&bench.push), DRAIN));
        let short = bench.delivering("short", 1, &script(4000, &["done"]));
        let long = bench.delivering("long", 1, &script(1_000_000, &["done"]));
        sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        bench.push.stopping.cancel();
        let late = bench.deliver("late", 1, &script(10, &["done"])).await;
        assert_eq!(late, platform.status(Ending::Retry));
        assert_eq!(short.await.unwrap(), platform.status(Ending::Acknowledged));
        let long = long.await.unwrap();
        match platform {
            Platform::PubSub => assert_eq!(long, platform.status(Ending::Retry)),
            Platform::CloudTasks | Platform::AzureFunctions => {
                assert_eq!((long.as_u16(), bench.copies().len()), (200, 1));
            }
        }
        serving.await.unwrap();
        assert!(
            DRAIN <= began.elapsed() && began.elapsed() < GRACE,
            "{:?}",
            began.elapsed()
        );
        assert_eq!((bench.ended(), bench.begun()), (vec!["short".to_owned()], 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_for_others_is_refused_at_the_stop() {
    let options = super::bench::Options {
        concurrency: 1,
        ..super::bench::Options::of(Platform::PubSub)
    };
    let bench = options.start();
    let first = bench.delivering("m-1", 1, &script(1000, &["done"]));
    sleep(Duration::from_millis(100)).await;
    let second = bench.delivering("m-2", 1, &script(1000, &["done"]));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.push.tasks.len(), 3, "the stop waits for the second, too");
    bench.push.stopping.cancel();
    let began = Instant::now();
    assert_eq!(second.await.unwrap(), Platform::PubSub.status(Ending::Retry));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(first.await.unwrap(), Platform::PubSub.status(Ending::Acknowledged));
}

#[tokio::test(start_paused = true)]
async fn an_idle_host_ends_at_once() {
    let bench = Bench::new(Platform::PubSub);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn(serve(listener, Arc::clone(&bench.push), DRAIN));
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    bench.push.stopping.cancel();
    serving.await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}
