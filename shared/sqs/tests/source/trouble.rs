//! Requests that fail.

use std::time::Duration;

use consumer::{Source, SourceFault, Verdict};
use emulator::sqs::FaultKind;
use idempotency::Timestamp;
use serde_json::json;

use crate::emulated::{Queue, url};

/// More than the client's attempts.
const ALWAYS: u32 = 100;
const UNAVAILABLE: Option<SourceFault> = Some(SourceFault::Unavailable);

#[tokio::test(start_paused = true)]
async fn throttling_and_a_dead_network_are_unavailable() {
    for kind in [|| FaultKind::Throttle, || FaultKind::LoseRequest] {
        let queue = Queue::standard().await;
        queue.send_bodies(&["a", "b"]).await;
        let receipts = queue.receipts().await;
        for operation in ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
            queue.inject(operation, ALWAYS, kind());
        }
        assert_eq!(
            queue.source.receive(10).await.unwrap_err().fault,
            SourceFault::Unavailable
        );
        assert_eq!(queue.settle(&receipts, Verdict::Done).await, [UNAVAILABLE; 2]);
        let at = Some(Timestamp::now());
        assert_eq!(queue.settle(&receipts, Verdict::Retry { at }).await, [UNAVAILABLE; 2]);
        let extended = queue.extend(&receipts[0], Duration::from_secs(30)).await;
        assert_eq!((extended.err(), queue.messages().len()), (UNAVAILABLE, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_settled_can_be_settled_later() {
    let queue = Queue::standard().await;
    let bodies: Vec<_> = (0..20).map(|number| format!("m{number}")).collect();
    queue
        .send_bodies(&bodies.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    let mut receipts = queue.receipts().await;
    receipts.extend(queue.receipts().await);
    // All attempts of both requests, save one.
    queue.inject("DeleteMessageBatch", 5, FaultKind::LoseRequest);
    let faults = queue.settle(&receipts, Verdict::Done).await;
    // One request succeeded, and one failed with all of its messages.
    assert_eq!(faults.iter().filter(|fault| **fault == UNAVAILABLE).count(), 10);
    assert!(faults[..10].iter().all(|fault| *fault == faults[0]) && queue.messages().len() == 10);
    assert_eq!(queue.settle(&receipts, Verdict::Done).await, vec![None; 20]);
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_deleted_is_refused() {
    let queue = Queue::standard().await;
    queue.send_bodies(&["a"]).await;
    let receipts = queue.receipts().await;
    let request = json!({"QueueUrl": url("orders")});
    queue.sqs().call("DeleteQueue", request).await.unwrap();
    let error = queue.source.receive(10).await.unwrap_err();
    assert_eq!(error.fault, SourceFault::Refused);
    assert!(
        error.why.to_string().contains("create queue \"orders\""),
        "{}",
        error.why
    );
    assert_eq!(
        queue.settle(&receipts, Verdict::Done).await,
        [Some(SourceFault::Refused)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_visible_again_has_lost_its_receipt() {
    let queue = Queue::standard().await;
    let sent = queue.send_bodies(&["a"]).await;
    let receipt = queue.receipts().await.remove(0);
    queue.sqs().make_visible("orders", &[sent[0].as_str().to_owned()]);
    let extended = queue.extend(&receipt, Duration::from_secs(30)).await;
    assert_eq!(extended, Err(SourceFault::ReceiptLost));
}
