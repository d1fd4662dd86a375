//! The order of requests to a FIFO queue.

use std::sync::{Arc, Mutex};

use consumer::{SourceFault, Verdict};
use emulator::sqs::FaultKind;
use serde_json::Value;

use crate::emulated::Queue;

/// How many entries each request of this operation has.
fn entries(queue: &Queue, operation: &str) -> Arc<Mutex<Vec<usize>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let count = move |request: &Value, _: &Result<Value, _>| {
        seen.lock().unwrap().push(request["Entries"].as_array().unwrap().len());
    };
    queue.inject(operation, u32::MAX, FaultKind::AfterApply(Box::new(count)));
    requests
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_group_are_deleted_one_after_the_other() {
    for (queue, expected) in [(Queue::fifo().await, vec![2, 2, 1]), (Queue::standard().await, vec![5])] {
        queue.send_bodies(&["a1", "a2", "b1", "a3", "b2"]).await;
        let requests = entries(&queue, "DeleteMessageBatch");
        let receipts = queue.receipts().await;
        assert_eq!(queue.settle(&receipts, Verdict::Done).await, [None; 5]);
        assert_eq!(*requests.lock().unwrap(), expected);
        assert!(queue.messages().is_empty());
    }
}

/// Otherwise `a1` would be redelivered after `a2` was done.
#[tokio::test(start_paused = true)]
async fn nothing_behind_a_failed_delete_of_its_group_is_deleted() {
    let queue = Queue::fifo().await;
    let sent = queue.send_bodies(&["a1", "a2", "b1"]).await;
    let receipts = queue.receipts().await;
    queue.sqs().make_visible("orders.fifo", &[sent[0].as_str().to_owned()]);
    let lost = Some(SourceFault::ReceiptLost);
    assert_eq!(queue.settle(&receipts, Verdict::Done).await, [lost, lost, None]);
    assert_eq!(queue.bodies(), ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_a_receive_does_not_hold_its_group_up() {
    let queue = Queue::fifo().await;
    queue.send_bodies(&["a1"]).await;
    queue.inject("ReceiveMessage", 1, FaultKind::LoseReply);
    let (message, receipt) = queue.receive().await.remove(0);
    assert_eq!((message.body.as_str(), message.receive_count), ("a1", 1));
    assert_eq!(queue.settle(&[receipt], Verdict::Done).await, [None]);
    assert!(queue.messages().is_empty());
}
