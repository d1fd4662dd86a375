//! Everything that the template names, built as the local stack builds it, under fire.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use idempotency::Key;
use local::lambda::Event;
use local::{Binaries, Options, Stack};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const CUSTOMERS: i64 = 6;
const ORDERS: i64 = 60;
const NOTIFICATIONS: i64 = 20;
/// Processes are killed this often, and then left in peace.
const KILLS: usize = 25;

async fn start() -> (Stack, UnboundedReceiver<Event>) {
    let parameter = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let options = Options {
        template: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")),
        // Enough receives that no message is dead-lettered for the crashes of others.
        parameters: [
            ("FunctionTimeout", "2"),
            ("VisibilityTimeout", "2"),
            ("MaxReceiveCount", "1000"),
        ]
        .map(parameter)
        .into(),
        port: 0,
        elsewhere: None,
        binaries: Binaries::Build,
    };
    let (observer, events) = unbounded_channel();
    (Stack::start(options, observer).await.unwrap(), events)
}

fn order(n: i64) -> Value {
    let (quantity, price) = (1 + n % 3, 100 + n);
    json!({
        "id": format!("order-{n}"),
        "customer": format!("customer-{}", n % CUSTOMERS),
        "items": [{"sku": "tea", "quantity": quantity, "price": price}],
        "amount": quantity * price,
    })
}

async fn send(stack: &Stack, queue: &str, body: &Value) -> String {
    let request = json!({
        "QueueUrl": format!("{}/000000000000/{queue}", stack.endpoint()),
        "MessageBody": body.to_string(),
    });
    stack.sqs().call("SendMessage", request).await.unwrap()["MessageId"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn number(item: &Value, name: &str) -> i64 {
    item[name]["N"].as_str().unwrap().parse().unwrap()
}

/// Kills a process whenever one has been given work, until it was done often enough; returns when the queues are empty.
async fn under_fire(stack: &Stack, mut events: UnboundedReceiver<Event>) {
    let (mut kills, deadline) = (0, Instant::now() + Duration::from_secs(120));
    let mut look = tokio::time::interval(Duration::from_millis(50));
    while !["orders", "notifications"]
        .iter()
        .all(|queue| stack.sqs().peek(queue).is_empty())
    {
        assert!(Instant::now() < deadline, "the queues are not empty after two minutes");
        tokio::select! {
            Some(event) = events.recv() => {
                if let Event::InvocationStarted { function, .. } = event && kills < KILLS {
                    // A different moment of the invocation each time.
                    tokio::time::sleep(Duration::from_millis(3 * (kills as u64 % 8))).await;
                    kills += stack.lambda().kill(&function);
                }
            }
            _ = look.tick() => {}
        }
    }
    assert!(kills >= KILLS, "only {kills} processes were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_killed_at_any_moment_lose_no_message_and_repeat_no_committed_order() {
    let (stack, events) = start().await;
    let mut notifications = Vec::new();
    for n in 0..ORDERS {
        if n % 4 == 0 {
            stack.sqs().deliver_twice("orders", 1);
        }
        send(&stack, "orders", &order(n)).await;
        if n < NOTIFICATIONS {
            let body = json!({"to": format!("{n}@example.com"), "subject": "s", "text": "t"});
            notifications.push(send(&stack, "notifications", &body).await);
        }
    }
    under_fire(&stack, events).await;

    let mut expected = BTreeMap::new();
    for n in 0..ORDERS {
        *expected.entry(format!("customer-{}", n % CUSTOMERS)).or_insert(0) += order(n)["amount"].as_i64().unwrap();
    }
    let customers = stack.dynamodb().scan("customers");
    let totals: BTreeMap<_, _> = customers
        .iter()
        .map(|item| (item["id"]["S"].as_str().unwrap().to_owned(), number(item, "total")))
        .collect();
    assert_eq!(totals, expected);
    assert_eq!(stack.dynamodb().scan("orders").len() as i64, ORDERS);

    let received = stack.receiver().notifications();
    for id in notifications {
        // At least once: the call is outside the transaction. Every repetition carried the same key.
        let token = Key::new("send-notification", &id).unwrap().token();
        assert!(
            received.get(&token).is_some_and(|notified| notified.accepted >= 1),
            "{id}"
        );
    }
    assert_eq!(received.len() as i64, NOTIFICATIONS);
    for queue in ["orders-dlq", "notifications-dlq"] {
        assert!(stack.sqs().peek(queue).is_empty(), "{queue} is not empty");
    }
    stack.shutdown().await;
}
