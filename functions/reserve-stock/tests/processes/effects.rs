//! A reservation is taken from the stock once, and only if there is so much.

use futures_util::future::join_all;
use local::testing::{Record, UNHURRIED};
use serde_json::json;

use crate::stage::{self, reservation, reserve, stock};

#[tokio::test]
async fn a_reservation_is_taken_from_its_skus_stock_alone_and_its_message_is_gone() {
    let stage = stage::set(&[("tea", 5), ("cup", 5)], &[]).await;
    let message = reserve(&stage, "tea", 3, "o-1").await;
    stage.until_settled(&["reservations.fifo"]).await;
    assert_eq!(stock(&stage), [("cup".to_owned(), 5), ("tea".to_owned(), 2)].into());
    assert!(stage.is_completed("reserve-stock", &message));
    assert_eq!(stage.dead_letters("reservations.fifo"), [""; 0]);
}

#[tokio::test]
async fn more_than_there_is_is_rejected_with_its_reason_and_takes_nothing() {
    let stage = stage::set(&[("tea", 2)], &[("MaxReceiveCount", "2")]).await;
    let much = reserve(&stage, "tea", 3, "o-1").await;
    let unknown = reserve(&stage, "tee", 1, "o-2").await;
    stage.until_settled(&["reservations.fifo"]).await;
    let reasons = [
        (&much, "3 wanted, 2 in stock: tea for order o-1"),
        (&unknown, "1 wanted, no such SKU: tee for order o-2"),
    ];
    for (message, reason) in reasons {
        let rejected = Record::rejected(reason);
        assert_eq!(stage.record("reserve-stock", message), Some(rejected));
        assert!(stage.dead_letters("reservations.fifo").contains(message));
    }
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
    let enough = reserve(&stage, "tea", 2, "o-3").await;
    stage.until_settled(&["reservations.fifo"]).await;
    assert!(stage.is_completed("reserve-stock", &enough), "its group goes on");
    assert_eq!(stock(&stage), [("tea".to_owned(), 0)].into());
}

#[tokio::test]
async fn a_rejected_reservation_stays_rejected_when_there_is_stock_again() {
    let stage = stage::set(&[("tea", 2)], &UNHURRIED).await;
    let much = [("m-1", "tea", reservation("tea", 3, "o-1"))];
    assert_eq!(stage.invoke("reserve-stock", &much).await, ["m-1"]);
    stage::put(&stage, "tea", 10);
    assert_eq!(stage.invoke("reserve-stock", &much).await, ["m-1"]);
    assert_eq!(stock(&stage), [("tea".to_owned(), 10)].into());
}

#[tokio::test]
async fn what_is_no_reservation_is_rejected_with_its_reason() {
    let stage = stage::set(&[("tea", 2)], &UNHURRIED).await;
    let messages = [
        ("m-1", "a", reservation("tea", 0, "o-1")),
        ("m-2", "b", reservation("", 1, "o-2")),
        ("m-3", "c", json!({ "sku": "tea", "quantity": "one", "order": "o-3" })),
        ("m-4", "d", reservation(&"t".repeat(2049), 1, "o-4")),
    ];
    let all = ["m-1", "m-2", "m-3", "m-4"];
    assert_eq!(stage.invoke("reserve-stock", &messages).await, all);
    let reason = |message| stage.record("reserve-stock", message).unwrap().reason;
    assert!(reason("m-1").ends_with("quantity is 0, must be positive"));
    assert!(reason("m-2").ends_with("both must have 1 to 2048 bytes"));
    assert!(reason("m-3").starts_with("malformed body: "));
    assert!(reason("m-4").starts_with("reservation of \"ttt"));
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
}

#[tokio::test]
async fn one_event_handed_to_several_processes_at_once_and_again_is_taken_once() {
    let stage = stage::set(&[("tea", 5), ("cup", 2)], &UNHURRIED).await;
    let messages = [
        ("m-1", "tea", reservation("tea", 3, "o-1")),
        ("m-2", "cup", reservation("cup", 2, "o-1")),
    ];
    let invoke = || stage.invoke("reserve-stock", &messages);
    let (one, two, three) = tokio::join!(invoke(), invoke(), invoke());
    // There is too little for another time, but it is not needed.
    let again = invoke().await;
    assert!([one, two, three, again].iter().all(Vec::is_empty));
    assert_eq!(stock(&stage), [("cup".to_owned(), 0), ("tea".to_owned(), 2)].into());
    assert!(stage.is_completed("reserve-stock", "m-1") && stage.is_completed("reserve-stock", "m-2"));
}

#[tokio::test]
async fn however_many_ask_at_once_no_more_is_taken_than_there_is() {
    let stage = stage::set(&[("tea", 20)], &UNHURRIED).await;
    // Of groups that are not their SKU, so that nothing but the condition keeps them apart.
    let batch = |batch: i64| {
        let message = |number: i64| {
            let name = format!("{batch}-{number}");
            (name.clone(), reservation("tea", 1 + number % 2, &name))
        };
        (0..8).map(message).collect::<Vec<_>>()
    };
    let batches: Vec<_> = (0..6).map(batch).collect();
    let batches: Vec<Vec<_>> = batches
        .iter()
        .map(|batch| {
            batch
                .iter()
                .map(|(id, body)| (id.as_str(), id.as_str(), body.clone()))
                .collect()
        })
        .collect();
    let refused = join_all(batches.iter().map(|batch| stage.invoke("reserve-stock", batch)))
        .await
        .concat();
    let mut taken = 0;
    for (id, _, body) in batches.iter().flatten() {
        assert_ne!(
            stage.is_completed("reserve-stock", id),
            refused.contains(&(*id).to_owned()),
            "{id}"
        );
        taken += if refused.contains(&(*id).to_owned()) {
            0
        } else {
            body["quantity"].as_i64().unwrap()
        };
    }
    // Whoever wants one finds it as long as there is one; 24 do.
    assert_eq!((taken, stock(&stage)), (20, [("tea".to_owned(), 0)].into()));
}
