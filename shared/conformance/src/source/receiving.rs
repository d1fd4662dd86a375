//! What is received, when, and how often.

use std::collections::HashSet;

use super::under_test::{UnderTest, receive, receive_one, send, skipped, visible};
use consumer::Source;

/// A receive returns at most as many messages as it may, and all arrive.
pub async fn receives_return_at_most_max<U: UnderTest>(queue: &U) {
    let names: Vec<_> = (0..12).map(|number| format!("m{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let sent: HashSet<_> = send(queue, &names).await.into_iter().collect();
    assert!(queue.source().receive(0).await.unwrap().is_empty(), "0 means none");
    let (mut received, mut receives) = (HashSet::new(), 0);
    while received.len() < sent.len() && receives < 40 {
        let max = if receives == 0 { 1 } else { 3 };
        let some = queue.source().receive(max).await.unwrap();
        assert!(some.len() <= max, "{} messages instead of {max}", some.len());
        received.extend(some.into_iter().map(|(message, _)| message.id));
        receives += 1;
    }
    assert_eq!(received, sent);
}

/// Nobody else receives a message while it is in flight.
pub async fn a_received_message_is_hidden<U: UnderTest>(queue: &U) {
    send(queue, &["a"]).await;
    let _in_flight = receive_one(queue).await;
    assert!(visible(queue, "later").await.is_empty());
}

/// A message whose consumer died is received again.
pub async fn an_unsettled_message_is_redelivered<U: UnderTest>(queue: &U) {
    let sent = send(queue, &["a"]).await;
    assert_eq!(receive_one(queue).await.0.id, sent[0]);
    queue.redeliver().await;
    assert_eq!(receive_one(queue).await.0.id, sent[0]);
}

/// The receive count is 1 at first, and higher at each redelivery.
pub async fn a_redelivery_raises_the_receive_count<U: UnderTest>(queue: &U) {
    if !queue.abilities().counts_redeliveries {
        return skipped("does not count redeliveries");
    }
    send(queue, &["a"]).await;
    for expected in 1..4 {
        assert_eq!(receive_one(queue).await.0.receive_count, expected);
        queue.redeliver().await;
    }
}

/// An extended message is hidden from the extension on, and redelivered when that time ends.
pub async fn an_extended_message_stays_hidden<U: UnderTest>(queue: &U) {
    if !queue.abilities().hides {
        return skipped("has no visibility timeouts");
    }
    let window = queue.source().queue().window;
    send(queue, &["a"]).await;
    let (message, receipt) = receive(queue, 1).await.remove(0);
    queue.wait(window * 2 / 3).await;
    let extended = queue.source().extend(&mut [receipt], window).await;
    assert!(matches!(extended[..], [Ok(())]), "{extended:?}");
    queue.wait(window * 2 / 3).await;
    assert!(visible(queue, "later").await.is_empty());
    queue.wait(window * 2 / 3).await;
    assert_eq!(receive_one(queue).await.0.id, message.id);
}
