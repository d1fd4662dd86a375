//! In order within a message group, concurrent across groups.

use emulator::dynamodb::FaultKind;

use crate::stack::{self, key, reservation, reserve, stock, watch};

const SKUS: [&str; 3] = ["cup", "pot", "tea"];

#[tokio::test]
async fn reservations_of_a_sku_are_made_in_order() {
    let stack = stack::start(&SKUS.map(|sku| (sku, 100)), &[("FunctionTimeout", "5")]).await;
    for sku in SKUS {
        // More faults than one invocation has attempts in its time: the first of its group fails, and those behind it wait.
        let containing = format!("\"{sku}\"");
        stack.inject("TransactWriteItems", Some(&containing), 60, FaultKind::ServerError);
    }
    let commits = watch(&stack, |_| {});
    let mut sent = SKUS.map(|sku| (sku, Vec::new()));
    for number in 0..7 {
        for (sku, keys) in &mut sent {
            let order = format!("o-{number}");
            reserve(&stack, sku, 1, &order).await;
            keys.push(key(sku, &order));
        }
    }
    stack.until_settled(&["reservations.fifo"]).await;
    let commits = commits.lock().unwrap();
    for (sku, keys) in &sent {
        let committed: Vec<_> = commits.iter().filter(|key| keys.contains(key)).collect();
        assert_eq!(committed, keys.iter().collect::<Vec<_>>(), "{sku}");
    }
    assert_eq!(stock(&stack), SKUS.map(|sku| (sku.to_owned(), 93)).into());
}

#[tokio::test]
async fn failing_sku_does_not_delay_other_skus() {
    let stack = stack::start(&SKUS.map(|sku| (sku, 5)), &[]).await;
    // Retried until the deadline of the invocation, so the others must run concurrently.
    stack.inject("TransactWriteItems", Some("\"pot\""), u32::MAX, FaultKind::Conflict);
    let messages = [
        ("m-1", "pot", reservation("pot", 1, "o-1")),
        ("m-2", "tea", reservation("tea", 1, "o-1")),
        ("m-3", "pot", reservation("pot", 1, "o-2")),
        ("m-4", "cup", reservation("cup", 1, "o-2")),
        ("m-5", "tea", reservation("tea", 1, "o-3")),
    ];
    assert_eq!(stack.invoke("reserve-stock", &messages).await, ["m-1", "m-3"]);
    let left = [("cup".to_owned(), 4), ("pot".to_owned(), 5), ("tea".to_owned(), 3)];
    assert_eq!(stock(&stack), left.into());

    stack.stack.lambda().shutdown().await;
    let metrics = stack.metrics();
    let count = |name: &str| metrics[0][name].as_u64().unwrap();
    assert_eq!((count("Done"), count("Failed"), count("NotStarted")), (3, 1, 1));
    assert_eq!(metrics.len(), 1);
}

#[tokio::test]
async fn conflicting_reservations_succeed_within_one_invocation() {
    let stack = stack::start(&[("tea", 5)], &[]).await;
    stack.inject("TransactWriteItems", Some("\"tea\""), 10, FaultKind::Conflict);
    let messages = ["m-1", "m-2", "m-3"].map(|id| (id, "tea", reservation("tea", 1, id)));
    assert_eq!(stack.invoke("reserve-stock", &messages).await, [""; 0]);
    assert_eq!(stock(&stack), [("tea".to_owned(), 2)].into());
    assert!(stack.requests("TransactWriteItems") >= 10 + 3, "the conflicts happened");
}
