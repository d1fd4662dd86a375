//! A reservation is taken from the stock once, and only if there is so much.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use testing::{DeadLetter, Record, UNHURRIED};

use crate::stage::{self, key, letter, reservation, reserve, stock};

#[tokio::test]
async fn a_reservation_is_taken_from_its_skus_stock_alone_and_its_message_is_gone() {
    let stage = stage::set(&[("tea", 5), ("cup", 5)], &[]).await;
    reserve(&stage, "tea", 3, "o-1").await;
    stage.until_settled(&["reservations.fifo"]).await;
    assert_eq!(stock(&stage), [("cup".to_owned(), 5), ("tea".to_owned(), 2)].into());
    assert!(stage.is_completed("reserve-stock", "\"tea\" for order \"o-1\""));
    assert_eq!(stage.dead_letters("reservations.fifo"), [""; 0]);
}

#[tokio::test]
async fn a_reservation_that_its_producer_sent_twice_is_taken_once_and_both_messages_are_done() {
    let stage = stage::set(&[("tea", 5)], &UNHURRIED).await;
    // Of two groups, so that they run side by side.
    let twice = [
        ("m-1", "a", reservation("tea", 3, "o-1")),
        ("m-2", "b", reservation("tea", 3, "o-1")),
    ];
    assert_eq!(stage.invoke("reserve-stock", &twice).await, [""; 0]);
    let again = [("m-3", "a", reservation("tea", 3, "o-1"))];
    assert_eq!(stage.invoke("reserve-stock", &again).await, [""; 0]);
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
    assert_eq!(stage.dead_letters("reservations.fifo"), [""; 0]);
}

#[tokio::test]
async fn another_quantity_of_the_same_sku_for_the_same_order_is_dead_lettered_and_takes_nothing() {
    let stage = stage::set(&[("tea", 5)], &UNHURRIED).await;
    let first = [("m-1", "tea", reservation("tea", 3, "o-1"))];
    assert_eq!(stage.invoke("reserve-stock", &first).await, [""; 0]);
    let other = [("m-2", "tea", reservation("tea", 1, "o-1"))];
    assert_eq!(stage.invoke("reserve-stock", &other).await, [""; 0]);
    let told = stage.dead_letter("reservations.fifo", "m-2").unwrap();
    assert_eq!(told, letter("m-2", "tea", "o-1", &told.reason));
    assert!(told.reason.contains("its key was used for another payload"), "{told:?}");
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
    assert!(
        stage.is_completed("reserve-stock", &key("tea", "o-1")),
        "what was done stays done"
    );
}

#[tokio::test]
async fn more_than_there_is_is_dead_lettered_with_its_reason_and_takes_nothing() {
    let stage = stage::set(&[("tea", 2)], &[]).await;
    let much = reserve(&stage, "tea", 3, "o-1").await;
    let unknown = reserve(&stage, "tee", 1, "o-2").await;
    stage.until_settled(&["reservations.fifo"]).await;
    let reasons = [
        (&much, "tea", "o-1", "3 wanted, 2 in stock: tea for order o-1"),
        (&unknown, "tee", "o-2", "1 wanted, no such SKU: tee for order o-2"),
    ];
    for (message, sku, order, reason) in reasons {
        let rejected = Record::rejected(reason);
        assert_eq!(stage.record("reserve-stock", &key(sku, order)), Some(rejected));
        let letter = letter(message, sku, order, reason);
        assert_eq!(stage.dead_letter("reservations.fifo", message), Some(letter));
        assert_eq!(stage.stack.sqs().deliveries(message), 1);
    }
    let groups = stage.stack.sqs().peek("reservations-dlq.fifo").into_iter();
    let groups: BTreeSet<_> = groups.filter_map(|letter| letter.group).collect();
    assert_eq!(groups, ["tea".to_owned(), "tee".to_owned()].into());
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
}

#[tokio::test]
async fn behind_a_reservation_that_is_dead_lettered_its_group_goes_on_in_the_same_batch() {
    let stage = stage::set(&[("tea", 2)], &UNHURRIED).await;
    let messages = [
        ("m-1", "tea", reservation("tea", 3, "o-1")),
        ("m-2", "tea", reservation("tea", 2, "o-2")),
    ];
    assert_eq!(stage.invoke("reserve-stock", &messages).await, [""; 0]);
    assert_eq!(stage.dead_letters("reservations.fifo"), ["m-1"]);
    assert!(stage.is_completed("reserve-stock", &key("tea", "o-2")));
    assert_eq!(stock(&stage), [("tea".to_owned(), 0)].into());
}

#[tokio::test]
async fn without_a_dead_letter_queue_of_its_own_what_is_rejected_is_reported_with_its_group_behind_it() {
    let stage = stage::set_without_dead_letter_queue(&[("tea", 2)], &UNHURRIED).await;
    let messages = [
        ("m-1", "tea", reservation("tea", 3, "o-1")),
        ("m-2", "tea", reservation("tea", 2, "o-2")),
    ];
    assert_eq!(stage.invoke("reserve-stock", &messages).await, ["m-1", "m-2"]);
    assert_eq!(stock(&stage), [("tea".to_owned(), 2)].into());
    assert_eq!(stage.dead_letters("reservations.fifo"), [""; 0]);
}

#[tokio::test]
async fn once_the_redrive_policy_has_moved_what_is_rejected_its_group_goes_on() {
    let stage = stage::set_without_dead_letter_queue(&[("tea", 2)], &[("MaxReceiveCount", "2")]).await;
    let much = reserve(&stage, "tea", 3, "o-1").await;
    stage.until_settled(&["reservations.fifo"]).await;
    assert_eq!(stage.stack.sqs().deliveries(&much), 2);
    let letter = stage.dead_letter("reservations.fifo", &much);
    assert_eq!(letter, Some(DeadLetter::moved(&much)));
    reserve(&stage, "tea", 2, "o-2").await;
    stage.until_settled(&["reservations.fifo"]).await;
    assert!(stage.is_completed("reserve-stock", &key("tea", "o-2")));
}

#[tokio::test]
async fn a_rejected_reservation_stays_rejected_when_there_is_stock_again() {
    let stage = stage::set(&[("tea", 2)], &UNHURRIED).await;
    let much = [("m-1", "tea", reservation("tea", 3, "o-1"))];
    assert_eq!(stage.invoke("reserve-stock", &much).await, [""; 0]);
    stage::put(&stage, "tea", 10);
    assert_eq!(stage.invoke("reserve-stock", &much).await, [""; 0]);
    let record = stage.record("reserve-stock", &key("tea", "o-1"));
    let rejected = Record::rejected("3 wanted, 2 in stock: tea for order o-1");
    assert_eq!(record, Some(rejected));
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
    assert_eq!(stage.invoke("reserve-stock", &messages).await, [""; 0]);
    let reason = |message, key: &str| {
        let letter = stage.dead_letter("reservations.fifo", message).unwrap();
        let record = stage.record("reserve-stock", key).unwrap();
        assert_eq!((record.status.as_str(), &record.reason), ("REJECTED", &letter.reason));
        assert_eq!(letter.key, key);
        letter.reason
    };
    assert!(reason("m-1", &key("tea", "o-1")).ends_with("quantity is 0, must be positive"));
    assert!(reason("m-2", &key("", "o-2")).ends_with("both must have 1 to 2048 bytes"));
    // What can't be read names no key but its message's.
    assert!(reason("m-3", "m-3").starts_with("malformed body: "));
    assert!(reason("m-4", &key(&"t".repeat(2049), "o-4")).starts_with("reservation of \"ttt"));
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
    let is_completed = |sku| stage.is_completed("reserve-stock", &key(sku, "o-1"));
    assert!(is_completed("tea") && is_completed("cup"));
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
    let reported = join_all(batches.iter().map(|batch| stage.invoke("reserve-stock", batch))).await;
    assert_eq!(reported.concat(), [""; 0]);
    let refused: BTreeSet<_> = stage.dead_letters("reservations.fifo").into_iter().collect();
    let mut taken = 0;
    for (id, _, body) in batches.iter().flatten() {
        let is_taken = stage.is_completed("reserve-stock", &key("tea", id));
        assert_ne!(is_taken, refused.contains(*id), "{id}");
        taken += if is_taken {
            body["quantity"].as_i64().unwrap()
        } else {
            0
        };
    }
    // Whoever wants one finds it as long as there is one; 24 do.
    assert_eq!((taken, stock(&stage)), (20, [("tea".to_owned(), 0)].into()));
}
