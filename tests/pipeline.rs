//! Everything that the template names, built as the local stack builds it, under fire.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use idempotency::Key;
use local::lambda::Event;
use local::testing::{Stage, text};
use serde_json::{Value, json};

const CUSTOMERS: i64 = 6;
const ORDERS: i64 = 60;
const NOTIFICATIONS: i64 = 20;
/// Processes are killed this often, and then left in peace.
const KILLS: usize = 25;

fn order(n: i64) -> Value {
    let (quantity, price) = (1 + n % 3, 100 + n);
    json!({
        "id": format!("order-{n}"),
        "customer": format!("customer-{}", n % CUSTOMERS),
        "items": [{"sku": "tea", "quantity": quantity, "price": price}],
        "amount": quantity * price,
    })
}

/// Kills a process whenever one has been given work, until it was done often enough; returns when the queues are empty.
async fn under_fire(stage: &Stage) {
    let (mut kills, deadline) = (0, Instant::now() + Duration::from_secs(120));
    let mut look = tokio::time::interval(Duration::from_millis(50));
    while !stage.is_settled(&["orders", "notifications"]) {
        assert!(Instant::now() < deadline, "the queues are not empty after two minutes");
        tokio::select! {
            event = stage.next_event() => {
                if let Event::InvocationStarted { function, .. } = event && kills < KILLS {
                    // A different moment of the invocation each time.
                    tokio::time::sleep(Duration::from_millis(3 * (kills as u64 % 8))).await;
                    kills += stage.stack.lambda().kill(&function);
                }
            }
            _ = look.tick() => {}
        }
    }
    assert!(kills >= KILLS, "only {kills} processes were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_killed_at_any_moment_lose_no_message_and_repeat_no_committed_order() {
    let stage = Stage::set_with_all(&[("FunctionTimeout", "2"), ("VisibilityTimeout", "2")]).await;
    let mut notifications = Vec::new();
    for n in 0..ORDERS {
        if n % 4 == 0 {
            stage.stack.sqs().deliver_twice("orders", 1);
        }
        stage.send("orders", &order(n)).await;
        if n < NOTIFICATIONS {
            let body = json!({"to": format!("{n}@example.com"), "subject": "s", "text": "t"});
            notifications.push(stage.send("notifications", &body).await);
        }
    }
    under_fire(&stage).await;

    let mut expected = BTreeMap::new();
    for n in 0..ORDERS {
        *expected.entry(format!("customer-{}", n % CUSTOMERS)).or_insert(0) += order(n)["amount"].as_i64().unwrap();
    }
    let customers = stage.stack.dynamodb().scan("customers");
    let totals: BTreeMap<_, _> = customers
        .iter()
        .map(|item| (text(item, "id"), text(item, "total").parse::<i64>().unwrap()))
        .collect();
    assert_eq!(totals, expected);
    assert_eq!(stage.stack.dynamodb().scan("orders").len() as i64, ORDERS);

    let received = stage.stack.receiver().notifications();
    for id in notifications {
        // At least once: the call is outside the transaction. Every repetition carried the same key.
        let token = Key::new("send-notification", &id).unwrap().token();
        assert!(
            received.get(&token).is_some_and(|notified| notified.accepted >= 1),
            "{id}"
        );
    }
    assert_eq!(received.len() as i64, NOTIFICATIONS);
    for queue in ["orders", "notifications"] {
        assert_eq!(stage.dead_letters(queue), [""; 0], "{queue}");
    }
    stage.stack.shutdown().await;
}
