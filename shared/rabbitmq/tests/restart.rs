//! The broker is killed and starts again. In a file of its own, because that disturbs all other tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use broker::{broker, ids, receive, server, settle};
use consumer::{Source, SourceFault, Verdict};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    for id in ["1", "2", "3"] {
        broker.publish(id, "g").await;
    }
    let mut received = receive(&source, 3).await;
    settle(&source, received.remove(0).1, Verdict::Done).await.unwrap();
    // An acknowledgement has no answer. That this message is done shows that the one before it was seen, too.
    let (_, retried) = received.remove(0);
    settle(&source, retried, Verdict::Retry { at: None }).await.unwrap();
    server("kill");
    let unavailable = source.receive(1).await.map(drop);
    let lost = settle(&source, received.remove(0).1, Verdict::Done).await;
    server("start");
    assert!(lost.is_err_and(|error| error.fault == SourceFault::ReceiptLost));
    assert!(unavailable.is_err_and(|error| error.fault == SourceFault::Unavailable));
    let mut again = receive(&source, 2).await;
    again.sort_by_key(|(incoming, _)| incoming.id.as_str().to_owned());
    assert_eq!(ids(&again), ["2", "3"]);
}
