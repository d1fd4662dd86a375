//! The handler in a real worker process on a Storage Queue: on Azurite, which `.ci/servers` starts and without which this test is
//! skipped. The ledger is in an emulated DynamoDB.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

#[path = "../../../shared/azure-queue/tests/azurite/mod.rs"]
mod azurite;
#[path = "processes/receiver.rs"]
mod receiver;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use azurite::{Azurite, azurite};
use consumer::Queues;
use consumer::dead_letter::Unpacked;
use receiver::Receiver;
use serde_json::json;
use testing::{PATIENCE, TestStack};

/// A worker is killed while its handler runs, messages are sent twice, and two can't be processed.
#[tokio::test]
async fn each_notification_arrives_under_one_key_across_a_kill() {
    let Some(azurite) = azurite().await else { return };
    let (stack, receiver) = (
        TestStack::start(&[], &[]).await,
        Receiver::silent("slow@example.com", 1).await,
    );
    let mut worker = worker(&azurite, &stack, &receiver);
    let queues = azurite.queues();
    let slow = notification("slow", "slow@example.com");
    queues.send(&azurite.url(""), &[slow]).await.unwrap();
    until(async || !receiver.posts("slow@example.com").is_empty()).await;
    worker.kill().unwrap();
    worker.wait().unwrap();

    let mut worker = self::worker(&azurite, &stack, &receiver);
    let names = ["ada", "bob", "eve", "ada", "bob"];
    let mut messages = names
        .map(|name| notification(name, &format!("{name}@example.com")))
        .to_vec();
    messages.push(notification("nobody", ""));
    queues.send(&azurite.url(""), &messages).await.unwrap();
    azurite.put_raw("bm8gZXZlbnQ=").await;
    until(async || azurite.left("").await == 0).await;

    for name in ["ada", "bob", "eve"] {
        assert_eq!(receiver.posts(&format!("{name}@example.com")).len(), 1, "{name}");
    }
    let posts = receiver.posts("slow@example.com");
    let [first, second] = &posts[..] else {
        unreachable!("{posts:?}")
    };
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    let mut reasons = reasons(&azurite).await;
    reasons.sort_unstable();
    assert!(
        reasons[0].contains("not a CloudEvents event") && reasons[1].contains("to"),
        "{reasons:?}"
    );

    let pid = worker.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(worker.wait().unwrap().success(), "it ends in order");
}

fn notification(id: &str, to: &str) -> consumer::QueueMessage {
    let body = json!({ "to": to, "subject": "Your order", "text": "It is on its way." });
    azurite::message(&body.to_string(), id)
}

fn worker(azurite: &Azurite, stack: &TestStack, receiver: &Receiver) -> Child {
    Command::new(env!("CARGO_BIN_EXE_send-notification-worker"))
        .env_clear()
        .envs([
            ("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true"),
            ("QUEUE_URL", &azurite.url("?window=4")),
            ("NOTIFICATION_URL", &receiver.url),
            ("IDEMPOTENCY_TABLE", "idempotency"),
            ("AWS_ENDPOINT_URL_DYNAMODB", stack.stack.endpoint()),
            ("AWS_REGION", &stack.stack.region()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("HEALTH_ADDRESS", "127.0.0.1:0"),
        ])
        .stdout(Stdio::inherit())
        .spawn()
        .unwrap()
}

async fn until(holds: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Of the two dead letters.
async fn reasons(azurite: &Azurite) -> Vec<String> {
    let poison = azurite::open(&azurite.queue_with("-poison")).await.unwrap();
    let dead_letters = azurite::receive(&poison, 2).await.into_iter();
    let unpacked = dead_letters.map(|(dead_letter, _)| Unpacked::of(dead_letter.attributes));
    let reason = |unpacked: Unpacked| {
        assert_eq!(unpacked.original.unwrap().queue, Some(azurite.url("")));
        unpacked.rejection.unwrap().reason
    };
    unpacked.map(reason).collect()
}
