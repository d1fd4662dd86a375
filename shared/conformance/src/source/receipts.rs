//! What a receipt may do, alone and with others.

use consumer::{Source, Verdict};

use super::under_test::{
    RETRY_NOW, ReceiptOf, UnderTest, assert_lost_or_harmless, receive, receive_one, retry_at, send, settle, settle_all,
    visible,
};

/// The receipt of a message that was redelivered deletes nothing: another consumer processes the message.
pub async fn a_stale_receipt_deletes_nothing<U: UnderTest>(queue: &U) {
    let (stale, held) = stale(queue).await;
    assert_lost_or_harmless(settle(queue, stale, Verdict::Done).await);
    assert_eq!(queue.left().await, 1, "another consumer's message was deleted");
    settle(queue, held, Verdict::Done).await.unwrap();
    assert_eq!(queue.left().await, 0);
}

/// Nor does it end the time for which the other consumer hides the message.
pub async fn a_stale_receipt_makes_nothing_visible<U: UnderTest>(queue: &U) {
    let (stale, _held) = stale(queue).await;
    assert_lost_or_harmless(settle(queue, stale, RETRY_NOW).await);
    assert!(visible(queue, "later").await.is_empty());
}

/// A message with a stale and a valid receipt in one request is deleted by the valid one.
pub async fn a_message_with_two_receipts_is_deleted<U: UnderTest>(queue: &U) {
    let (stale, held) = stale(queue).await;
    let mut messages = [(stale, Verdict::Done), (held, Verdict::Done)];
    let results = settle_all(queue, &mut messages).await;
    assert_lost_or_harmless(results[0]);
    assert_eq!((results[1], queue.left().await), (Ok(()), 0));
}

/// Each entry of a request has its own result: one that fails affects neither those before it nor those behind it.
pub async fn a_failed_entry_does_not_affect_others<U: UnderTest>(queue: &U) {
    let (stale, held) = stale(queue).await;
    send(queue, &["b", "c"]).await;
    let mut others = receive(queue, 2).await;
    let (_, last) = others.remove(1);
    let (_, first) = others.remove(0);
    let stale = (stale, retry_at(queue, queue.abilities().delay));
    let mut messages = [(first, Verdict::Done), stale, (last, Verdict::Rejected)];
    let results = settle_all(queue, &mut messages).await;
    assert_eq!((results[0], results[2]), (Ok(()), Ok(())));
    assert_lost_or_harmless(results[1]);
    assert_eq!(queue.left().await, 1);
    settle(queue, held, Verdict::Done).await.unwrap();
    assert_eq!(queue.left().await, 0);
}

/// A host may extend and settle more messages than fit one request.
pub async fn many_messages_are_extended_and_settled_at_once<U: UnderTest>(queue: &U) {
    let names: Vec<_> = (0..25).map(|number| format!("m{number}")).collect();
    send(queue, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let received = receive(queue, names.len()).await.into_iter();
    let mut receipts: Vec<_> = received.map(|(_, receipt)| receipt).collect();
    let window = queue.source().queue().window;
    let extended = queue.source().extend(&mut receipts, window).await;
    assert_eq!(extended.iter().filter(|result| result.is_ok()).count(), names.len());
    let mut done: Vec<_> = receipts.into_iter().map(|receipt| (receipt, Verdict::Done)).collect();
    let settled = settle_all(queue, &mut done).await;
    assert_eq!(settled, vec![Ok(()); names.len()]);
    assert_eq!(queue.left().await, 0);
    assert!(queue.source().settle(&mut []).await.is_empty());
}

/// A message that another consumer received again: the receipt of the first receive, and that of the second.
async fn stale<U: UnderTest>(queue: &U) -> (ReceiptOf<U>, ReceiptOf<U>) {
    send(queue, &["a"]).await;
    let (_, stale) = receive_one(queue).await;
    queue.redeliver().await;
    let (_, held) = receive_one(queue).await;
    (stale, held)
}
