use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::{Fault, FaultKind, Reply};
use super::*;

fn inject(client: &Client, containing: Option<&str>, times: u32, kind: FaultKind) {
    client.sqs.inject(Fault {
        operation: "SendMessage".to_owned(),
        containing: containing.map(str::to_owned),
        times,
        kind,
    });
}

async fn serve(client: &Client, body: &str) -> Reply {
    let request = json!({ "QueueUrl": queue_url(&client.queue), "MessageBody": body });
    client.sqs.serve("SendMessage", request).await
}

fn is_lost(reply: &Reply) -> bool {
    matches!(reply, Reply::Lost)
}

#[tokio::test]
async fn a_lost_request_changes_nothing_a_lost_reply_does() {
    let client = Client::standard().await;
    inject(&client, None, 1, FaultKind::LoseRequest);
    inject(&client, None, 1, FaultKind::LoseReply);
    assert!(is_lost(&serve(&client, "a").await));
    assert!(client.states().is_empty());
    assert!(is_lost(&serve(&client, "b").await));
    assert_eq!(client.bodies().await, ["b"]);
    assert!(matches!(serve(&client, "c").await, Reply::Answer(Ok(_))));
}

#[tokio::test]
async fn a_fault_affects_only_matching_network_requests() {
    let client = Client::standard().await;
    inject(&client, Some("\"b\""), 1, FaultKind::LoseRequest);
    client.send("b").await;
    assert!(!is_lost(&serve(&client, "a").await));
    assert!(is_lost(&serve(&client, "b").await));
    assert!(!is_lost(&serve(&client, "b").await));
}

#[tokio::test]
async fn a_hook_runs_after_the_request_and_may_look_at_the_queue() {
    let client = Arc::new(Client::standard().await);
    let seen = Arc::new(AtomicU32::new(0));
    let hook = {
        let (client, seen) = (Arc::clone(&client), Arc::clone(&seen));
        Box::new(move |request: &Value, answer: &Result<Value, ApiError>| {
            assert!(request["MessageBody"] == "a" && answer.is_ok());
            seen.fetch_add(u32::try_from(client.states().len()).unwrap(), Ordering::SeqCst);
        })
    };
    inject(&client, None, 2, FaultKind::AfterApply(hook));
    for _ in 0..3 {
        serve(&client, "a").await;
    }
    assert_eq!(seen.load(Ordering::SeqCst), 1 + 2);
}

#[tokio::test]
async fn every_nth_matching_request_is_throttled() {
    let client = Client::standard().await;
    client.sqs.inject_every(
        3,
        Fault {
            operation: "SendMessage".to_owned(),
            containing: Some("it".to_owned()),
            times: 2,
            kind: FaultKind::Throttle,
        },
    );
    let mut refused = Vec::new();
    for number in 1..=12 {
        serve(&client, "other").await;
        if let Reply::Answer(Err(error)) = serve(&client, &format!("it {number}")).await {
            assert_eq!((error.name(), error.status), ("RequestThrottled", 403));
            refused.push(number);
        }
    }
    assert_eq!(refused, [3, 6]);
    assert_eq!(client.states().len(), 24 - 2);
}
