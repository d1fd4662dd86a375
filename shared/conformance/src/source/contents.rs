//! What a producer states arrives as it was sent.

use std::time::Duration;

use consumer::{Attribute, QueueMessage};

use super::under_test::{UnderTest, message, receive, receive_one};

/// Characters of one to four bytes, joined ones, one that is written from right to left, and white space at both ends.
const TEXT: &str = " tea\t\"\\{}\r\n ü \u{2028} 茶 👩🏽‍🚀 \u{5d0} ";

fn attribute(kind: &str, text: Option<&str>, bytes: Option<&[u8]>) -> Attribute {
    Attribute {
        data_type: Some(kind.to_owned()),
        string_value: text.map(str::to_owned),
        binary_value: bytes.map(<[u8]>::to_vec),
    }
}

/// Body, attributes, group, deduplication ID and trace are those of the producer, and the ID is that of the queue.
pub async fn what_a_producer_states_arrives_unchanged<U: UnderTest>(queue: &U) {
    let abilities = queue.abilities();
    let mut attributes = vec![("tenant", attribute("String", Some(TEXT.trim()), None))];
    if abilities.typed_attributes {
        attributes.push(("weight", attribute("Number.float", Some("1.50"), None)));
        attributes.push(("photo", attribute("Binary", None, Some(&[0, 10, 255]))));
    }
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let attributes = attributes.into_iter();
    let sent = QueueMessage {
        body: TEXT.to_owned(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
        trace_header: abilities.traces.then(|| trace.to_owned()),
        ..message("a")
    };
    let ids = queue.send(&[sent.clone(), message("bare")]).await;
    let mut received = receive(queue, 2).await;
    received.sort_by_key(|(message, _)| message.body == "bare");
    let (full, bare) = (&received[0].0, &received[1].0);
    assert_eq!([&full.id, &bare.id], [&ids[0], &ids[1]]);
    assert_eq!(
        (&full.body, &full.attributes, &full.group),
        (&sent.body, &sent.attributes, &sent.group)
    );
    assert_eq!(full.trace_header, sent.trace_header);
    assert!(bare.attributes.is_empty() && bare.trace_header.is_none(), "{bare:?}");
    assert_eq!((full.receive_count, bare.receive_count), (1, 1));
    if abilities.deduplication_ids {
        assert_eq!(full.deduplication_id, sent.deduplication_id);
    }
    if let Some(sent_at) = full.sent_at {
        let apart = sent_at.until(queue.now()).max(queue.now().until(sent_at));
        assert!(apart < Duration::from_secs(3600), "sent {apart:?} ago");
    }
}

/// The largest body arrives whole.
pub async fn a_large_body_arrives_unchanged<U: UnderTest>(queue: &U) {
    let bytes = queue.abilities().body_bytes;
    let large = "ü".repeat(bytes / 2);
    let sent = QueueMessage {
        body: large.clone(),
        ..message("a")
    };
    queue.send(&[sent]).await;
    let received = receive_one(queue).await.0.body;
    assert!(received == large, "{} bytes instead of {}", received.len(), large.len());
}
