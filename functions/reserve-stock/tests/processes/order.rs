//! In order inside a group, side by side across.

use emulator::dynamodb::FaultKind;
use testing::UNHURRIED;

use crate::stage::{self, key, reservation, reserve, stock, watch};

const SKUS: [&str; 3] = ["cup", "pot", "tea"];

#[tokio::test]
async fn the_reservations_of_a_sku_are_made_in_the_order_they_were_sent() {
    let stage = stage::set(&SKUS.map(|sku| (sku, 100)), &[]).await;
    for sku in SKUS {
        // More than one invocation bears: the first of its group fails, and whatever is behind it has to wait.
        let containing = format!("\"{sku}\"");
        stage.inject("TransactWriteItems", Some(&containing), 4, FaultKind::ServerError);
    }
    let commits = watch(&stage, |_| {});
    let mut sent = SKUS.map(|sku| (sku, Vec::new()));
    for number in 0..7 {
        for (sku, keys) in &mut sent {
            let order = format!("o-{number}");
            reserve(&stage, sku, 1, &order).await;
            keys.push(key(sku, &order));
        }
    }
    stage.until_settled(&["reservations.fifo"]).await;
    let commits = commits.lock().unwrap();
    for (sku, keys) in &sent {
        let made: Vec<_> = commits.iter().filter(|key| keys.contains(key)).collect();
        assert_eq!(made, keys.iter().collect::<Vec<_>>(), "{sku}");
    }
    assert_eq!(stock(&stage), SKUS.map(|sku| (sku.to_owned(), 93)).into());
}

#[tokio::test]
async fn reservations_of_one_sku_that_get_nowhere_hold_up_no_other_sku() {
    let stage = stage::set(&SKUS.map(|sku| (sku, 5)), &UNHURRIED).await;
    // Tried again until the invocation's time is up, so the others have to run beside it.
    stage.inject("TransactWriteItems", Some("\"pot\""), u32::MAX, FaultKind::Conflict);
    let messages = [
        ("m-1", "pot", reservation("pot", 1, "o-1")),
        ("m-2", "tea", reservation("tea", 1, "o-1")),
        ("m-3", "pot", reservation("pot", 1, "o-2")),
        ("m-4", "cup", reservation("cup", 1, "o-2")),
        ("m-5", "tea", reservation("tea", 1, "o-3")),
    ];
    assert_eq!(stage.invoke("reserve-stock", &messages).await, ["m-1", "m-3"]);
    let left = [("cup".to_owned(), 4), ("pot".to_owned(), 5), ("tea".to_owned(), 3)];
    assert_eq!(stock(&stage), left.into());

    stage.stack.lambda().shutdown().await;
    let metrics = stage.metrics();
    let count = |name: &str| metrics[0][name].as_u64().unwrap();
    assert_eq!((count("Done"), count("Failed"), count("NotStarted")), (3, 1, 1));
    assert_eq!(metrics.len(), 1);
}

#[tokio::test]
async fn reservations_that_collide_with_other_transactions_are_all_made_within_one_invocation() {
    let stage = stage::set(&[("tea", 5)], &UNHURRIED).await;
    stage.inject("TransactWriteItems", Some("\"tea\""), 10, FaultKind::Conflict);
    let messages = ["m-1", "m-2", "m-3"].map(|id| (id, "tea", reservation("tea", 1, id)));
    assert_eq!(stage.invoke("reserve-stock", &messages).await, [""; 0]);
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
    assert!(stage.requests("TransactWriteItems") >= 10 + 3, "they collided");
}
