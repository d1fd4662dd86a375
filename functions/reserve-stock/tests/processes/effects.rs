//! A reservation reduces the stock once, and only if the stock suffices.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use testing::{DeadLetter, Record};

use crate::stack::{self, dead_letter, key, reservation, reserve, stock};

#[tokio::test]
async fn reservation_reduces_the_stock_of_its_sku_only() {
    let stack = stack::start(&[("tea", 5), ("cup", 5)], &[]).await;
    reserve(&stack, "tea", 3, "o-1").await;
    stack.until_settled(&["reservations.fifo"]).await;
    assert_eq!(stock(&stack), [("cup".to_owned(), 5), ("tea".to_owned(), 2)].into());
    assert!(stack.is_completed("reserve-stock", "\"tea\" for order \"o-1\""));
    assert_eq!(stack.dead_letters("reservations.fifo"), [""; 0]);
}

/// Promise 6.
#[tokio::test]
async fn reservation_sent_twice_counts_once_and_both_are_done() {
    let stack = stack::start(&[("tea", 5)], &[]).await;
    // In two message groups, so that they run concurrently.
    let twice = [
        ("m-1", "a", reservation("tea", 3, "o-1")),
        ("m-2", "b", reservation("tea", 3, "o-1")),
    ];
    assert_eq!(stack.invoke("reserve-stock", &twice).await, [""; 0]);
    let again = [("m-3", "a", reservation("tea", 3, "o-1"))];
    assert_eq!(stack.invoke("reserve-stock", &again).await, [""; 0]);
    assert_eq!(stock(&stack), [("tea".to_owned(), 2)].into());
    assert_eq!(stack.dead_letters("reservations.fifo"), [""; 0]);
}

/// Promises 3 and 8.
#[tokio::test]
async fn another_quantity_under_a_used_key_is_dead_lettered() {
    let stack = stack::start(&[("tea", 5)], &[]).await;
    let first = [("m-1", "tea", reservation("tea", 3, "o-1"))];
    assert_eq!(stack.invoke("reserve-stock", &first).await, [""; 0]);
    let other = [("m-2", "tea", reservation("tea", 1, "o-1"))];
    assert_eq!(stack.invoke("reserve-stock", &other).await, [""; 0]);
    let actual = stack.dead_letter("reservations.fifo", "m-2").unwrap();
    assert_eq!(actual, dead_letter("m-2", "tea", "o-1", &actual.reason));
    assert!(
        actual.reason.contains("its key was used for another payload"),
        "{actual:?}"
    );
    assert_eq!(stock(&stack), [("tea".to_owned(), 2)].into());
    assert!(
        stack.is_completed("reserve-stock", &key("tea", "o-1")),
        "the completed record is kept"
    );
}

#[tokio::test]
async fn reservation_beyond_the_stock_is_dead_lettered() {
    let stack = stack::start(&[("tea", 2)], &[]).await;
    let much = reserve(&stack, "tea", 3, "o-1").await;
    let unknown = reserve(&stack, "tee", 1, "o-2").await;
    stack.until_settled(&["reservations.fifo"]).await;
    let reasons = [
        (&much, "tea", "o-1", "3 requested, 2 in stock: tea for order o-1"),
        (&unknown, "tee", "o-2", "1 requested, no such SKU: tee for order o-2"),
    ];
    for (message, sku, order, reason) in reasons {
        let rejected = Record::rejected(reason);
        assert_eq!(stack.record("reserve-stock", &key(sku, order)), Some(rejected));
        let dead_letter = dead_letter(message, sku, order, reason);
        assert_eq!(stack.dead_letter("reservations.fifo", message), Some(dead_letter));
        assert_eq!(stack.stack.sqs().deliveries(message), 1);
    }
    let groups = stack.stack.sqs().peek("reservations-dlq.fifo").into_iter();
    let groups: BTreeSet<_> = groups.filter_map(|dead_letter| dead_letter.group).collect();
    assert_eq!(groups, ["tea".to_owned(), "tee".to_owned()].into());
    assert_eq!(stock(&stack), [("tea".to_owned(), 2)].into());
}

#[tokio::test]
async fn group_goes_on_behind_a_dead_lettered_reservation() {
    let stack = stack::start(&[("tea", 2)], &[]).await;
    let messages = [
        ("m-1", "tea", reservation("tea", 3, "o-1")),
        ("m-2", "tea", reservation("tea", 2, "o-2")),
    ];
    assert_eq!(stack.invoke("reserve-stock", &messages).await, [""; 0]);
    assert_eq!(stack.dead_letters("reservations.fifo"), ["m-1"]);
    assert!(stack.is_completed("reserve-stock", &key("tea", "o-2")));
    assert_eq!(stock(&stack), [("tea".to_owned(), 0)].into());
}

#[tokio::test]
async fn without_dead_letter_queue_a_rejection_blocks_its_group() {
    let stack = stack::start_without_dead_letter_queue(&[("tea", 2)], &[]).await;
    let messages = [
        ("m-1", "tea", reservation("tea", 3, "o-1")),
        ("m-2", "tea", reservation("tea", 2, "o-2")),
    ];
    assert_eq!(stack.invoke("reserve-stock", &messages).await, ["m-1", "m-2"]);
    assert_eq!(stock(&stack), [("tea".to_owned(), 2)].into());
    assert_eq!(stack.dead_letters("reservations.fifo"), [""; 0]);
}

#[tokio::test]
async fn group_goes_on_after_the_redrive_policy_moved_a_rejection() {
    let stack = stack::start_without_dead_letter_queue(&[("tea", 2)], &[("MaxReceiveCount", "2")]).await;
    let much = reserve(&stack, "tea", 3, "o-1").await;
    stack.until_settled(&["reservations.fifo"]).await;
    assert_eq!(stack.stack.sqs().deliveries(&much), 2);
    let dead_letter = stack.dead_letter("reservations.fifo", &much);
    assert_eq!(dead_letter, Some(DeadLetter::moved(&much)));
    reserve(&stack, "tea", 2, "o-2").await;
    stack.until_settled(&["reservations.fifo"]).await;
    assert!(stack.is_completed("reserve-stock", &key("tea", "o-2")));
}

#[tokio::test]
async fn rejected_reservation_stays_rejected_with_new_stock() {
    let stack = stack::start(&[("tea", 2)], &[]).await;
    let much = [("m-1", "tea", reservation("tea", 3, "o-1"))];
    assert_eq!(stack.invoke("reserve-stock", &much).await, [""; 0]);
    stack::put(&stack, "tea", 10);
    assert_eq!(stack.invoke("reserve-stock", &much).await, [""; 0]);
    let record = stack.record("reserve-stock", &key("tea", "o-1"));
    let rejected = Record::rejected("3 requested, 2 in stock: tea for order o-1");
    assert_eq!(record, Some(rejected));
    assert_eq!(stock(&stack), [("tea".to_owned(), 10)].into());
}

#[tokio::test]
async fn invalid_reservation_is_rejected_with_a_reason() {
    let stack = stack::start(&[("tea", 2)], &[]).await;
    let messages = [
        ("m-1", "a", reservation("tea", 0, "o-1")),
        ("m-2", "b", reservation("", 1, "o-2")),
        ("m-3", "c", json!({ "sku": "tea", "quantity": "one", "order": "o-3" })),
        ("m-4", "d", reservation(&"t".repeat(2049), 1, "o-4")),
    ];
    assert_eq!(stack.invoke("reserve-stock", &messages).await, [""; 0]);
    let reason = |message, key: &str| {
        let dead_letter = stack.dead_letter("reservations.fifo", message).unwrap();
        let record = stack.record("reserve-stock", key).unwrap();
        assert_eq!(
            (record.status.as_str(), &record.reason),
            ("REJECTED", &dead_letter.reason)
        );
        assert_eq!(dead_letter.key, key);
        dead_letter.reason
    };
    assert!(reason("m-1", &key("tea", "o-1")).ends_with("quantity is 0, must be positive"));
    assert!(reason("m-2", &key("", "o-2")).ends_with("both must have 1 to 2048 bytes"));
    // A malformed body states no key, so the key is the message ID.
    assert!(reason("m-3", "m-3").starts_with("malformed body: "));
    assert!(reason("m-4", &key(&"t".repeat(2049), "o-4")).starts_with("reservation of \"ttt"));
    assert_eq!(stock(&stack), [("tea".to_owned(), 2)].into());
}

/// Promise 6.
#[tokio::test]
async fn event_sent_to_several_processes_reserves_once() {
    let stack = stack::start(&[("tea", 5), ("cup", 2)], &[]).await;
    let messages = [
        ("m-1", "tea", reservation("tea", 3, "o-1")),
        ("m-2", "cup", reservation("cup", 2, "o-1")),
    ];
    let invoke = || stack.invoke("reserve-stock", &messages);
    let (one, two, three) = tokio::join!(invoke(), invoke(), invoke());
    // The stock would not suffice for a second reservation. None is made.
    let again = invoke().await;
    assert!([one, two, three, again].iter().all(Vec::is_empty));
    assert_eq!(stock(&stack), [("cup".to_owned(), 0), ("tea".to_owned(), 2)].into());
    let is_completed = |sku| stack.is_completed("reserve-stock", &key(sku, "o-1"));
    assert!(is_completed("tea") && is_completed("cup"));
}

#[tokio::test]
async fn concurrent_reservations_never_exceed_the_stock() {
    let stack = stack::start(&[("tea", 20)], &[]).await;
    // Each in a message group of its own: only the condition on the stock limits them.
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
    let reported = join_all(batches.iter().map(|batch| stack.invoke("reserve-stock", batch))).await;
    assert_eq!(reported.concat(), [""; 0]);
    let refused: BTreeSet<_> = stack.dead_letters("reservations.fifo").into_iter().collect();
    let mut taken = 0;
    for (id, _, body) in batches.iter().flatten() {
        let is_taken = stack.is_completed("reserve-stock", &key("tea", id));
        assert_ne!(is_taken, refused.contains(*id), "{id}");
        taken += if is_taken {
            body["quantity"].as_i64().unwrap()
        } else {
            0
        };
    }
    // 24 reservations request one unit, so the stock is used up to the last unit.
    assert_eq!((taken, stock(&stack)), (20, [("tea".to_owned(), 0)].into()));
}
