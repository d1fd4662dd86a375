//! The server ends and starts again. In a file of its own, because that disturbs all other tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod azurite;

use azurite::{azurite, message, receive, server};
use consumer::{Queues, Source, SourceFault, Verdict};

/// Receipts don't depend on a connection.
#[tokio::test(flavor = "multi_thread")]
async fn receipts_outlive_a_restart_of_the_server() {
    let Some(azurite) = azurite().await else { return };
    let (source, queues) = (azurite.source("?window=30").await, azurite.queues());
    let messages = ["1", "2"].map(|id| message("{}", id));
    queues.send(&azurite.url(""), &messages).await.unwrap();
    let (done, retried) = {
        let mut received = receive(&source, 2).await;
        (received.remove(0).1, received.remove(0))
    };
    server("stop");
    let received = source.receive(1).await.map(drop).unwrap_err();
    let mut settled = [(done, Verdict::Done)];
    let unsettled = source.settle(&mut settled).await.remove(0).unwrap_err();
    let unsent = queues.send(&azurite.url(""), &messages).await.unwrap_err();
    server("start");
    assert_eq!([received.fault, unsettled.fault], [SourceFault::Unavailable; 2]);
    assert_eq!(unsent.unsent, [0, 1]);
    source.settle(&mut settled).await.remove(0).unwrap();
    assert_eq!(azurite.left("").await, 1);
    let now = Verdict::Retry {
        at: Some(idempotency::Timestamp::from_millis(0)),
    };
    source.settle(&mut [(retried.1, now)]).await.remove(0).unwrap();
    let (again, _) = receive(&source, 1).await.remove(0);
    assert_eq!((again.id, again.receive_count), (retried.0.id, 2));
}
