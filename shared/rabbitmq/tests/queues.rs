//! Sending to queues of a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use broker::{Broker, Proxy, broker, chain, receive};
use consumer::dead_letter::Unpacked;
use consumer::{Attribute, Incoming, QueueMessage, Queues, SourceFault};
use idempotency::OutgoingMessage;
use lapin::types::{AMQPValue, FieldTable};
use rabbitmq::RabbitMq;

fn message(body: &str, group: Option<&str>) -> QueueMessage {
    let outgoing = OutgoingMessage::new("amqp:any", body)
        .with_key(format!("key of {body:.10}"))
        .with_attribute("tenant", "grün");
    QueueMessage {
        group: group.map(str::to_owned),
        ..QueueMessage::of_outgoing(&outgoing, Some("Root=1-2-3"))
    }
}

fn destination(broker: &Broker) -> String {
    format!("amqp:{}", broker.queue)
}

#[tokio::test]
async fn a_message_that_is_sent_is_received_unchanged() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    let mut sent = message("{\"tea\":\"\u{1}grün\u{fffe}\"}", Some("group ü"));
    let binary = Attribute {
        data_type: Some("Binary".to_owned()),
        string_value: None,
        binary_value: Some(vec![0, 0xff]),
    };
    sent.attributes.insert("binary".to_owned(), binary);
    let queues = broker.queues("");
    for _ in 0..2 {
        queues
            .send(&destination(&broker), std::slice::from_ref(&sent))
            .await
            .unwrap();
    }
    let received = receive(&source, 2).await;
    assert_eq!(received[0].0.id, received[1].0.id, "copies have one ID");
    for (incoming, _) in received {
        let expected = Incoming {
            attributes: sent.attributes.clone(),
            group: sent.group.clone(),
            trace_header: sent.trace_header.clone(),
            queue: Some(destination(&broker)),
            sent_at: incoming.sent_at,
            ..Incoming::new(incoming.id.clone(), sent.body.clone())
        };
        assert!(incoming.sent_at.is_some());
        assert_eq!(incoming, expected);
    }
}

#[tokio::test]
async fn large_empty_and_many_messages_arrive_in_order() {
    let Some(broker) = broker().await else { return };
    broker.source("").await;
    let mut messages = vec![message("", None), message(&"x".repeat(5 * 1024 * 1024), None)];
    messages.extend((0..250).map(|number| message(&number.to_string(), Some("g").filter(|_| number % 2 == 0))));
    broker.queues("").send(&destination(&broker), &messages).await.unwrap();
    for message in messages {
        assert!(broker.take(&broker.queue).await.delivery.data == message.body.as_bytes());
    }
}

#[tokio::test]
async fn a_missing_queue_is_refused_and_named() {
    let Some(broker) = broker().await else { return };
    let queues = broker.queues("");
    for destination in [destination(&broker), "https://sqs/1/orders".to_owned()] {
        let error = queues
            .send(&destination, &[message("{}", None), message("{}", None)])
            .await
            .unwrap_err();
        assert!(
            error.unsent.is_empty() && chain(&error).contains(&destination),
            "{}",
            chain(&error)
        );
    }
    broker.source("").await;
    queues
        .send(&destination(&broker), &[message("{}", None)])
        .await
        .unwrap();
}

/// The queue accepts one message, and then rejects.
#[tokio::test]
async fn a_full_queue_names_what_is_not_sent() {
    let Some(broker) = broker().await else { return };
    let mut arguments = FieldTable::default();
    for (name, value) in [("x-queue-type", "quorum"), ("x-overflow", "reject-publish")] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    broker.declare(&broker.queue, arguments).await;
    let queues = broker.queues("");
    let messages: Vec<_> = (0..20).map(|number| message(&number.to_string(), Some("g"))).collect();
    let error = queues.send(&destination(&broker), &messages).await.unwrap_err();
    let sent = usize::try_from(broker.ready(&broker.queue).await).unwrap();
    assert_eq!(error.unsent, (sent..20).collect::<Vec<_>>());
    assert!(chain(&error).contains("length limit"), "{}", chain(&error));
}

/// The broker closes the channel of such a message. The next one is sent.
#[tokio::test]
async fn a_message_that_the_broker_refuses_harms_no_other() {
    let Some(broker) = broker().await else { return };
    broker.source("").await;
    let queues = broker.queues("");
    let mut refused = message("{}", None);
    let large = Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some("x".repeat(200_000)),
        binary_value: None,
    };
    refused.attributes.insert("large".to_owned(), large);
    let error = queues.send(&destination(&broker), &[refused]).await.unwrap_err();
    assert!(
        error.unsent.is_empty() && chain(&error).contains("of at most 114688"),
        "{}",
        chain(&error)
    );
    // As much as is allowed fits the broker's frame.
    let mut most = message("{}", None);
    for number in 0..100 {
        let value = Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some("x".repeat(1120)),
            binary_value: None,
        };
        most.attributes.insert(format!("attribute-{number}"), value);
    }
    queues.send(&destination(&broker), &[most]).await.unwrap();
    assert_eq!(broker.take(&broker.queue).await.delivery.data, b"{}");
}

#[tokio::test]
async fn a_dead_letter_returns_as_the_original_message() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    assert_eq!(source.dead_letter_queue(), format!("amqp:{}-dlq", broker.queue));
    let queues = broker.queues("");
    let limits = queues.limits(&source.dead_letter_queue());
    let sent = message("{}", None);
    let original = consumer::dead_letter::Original {
        message_id: Some("m-1".to_owned()),
        queue: Some(destination(&broker)),
        ..Default::default()
    };
    let rejection = consumer::dead_letter::Rejection {
        reason: "never".to_owned(),
        ..Default::default()
    };
    let dead_letter = QueueMessage {
        attributes: consumer::dead_letter::pack(sent.attributes.clone(), original.clone(), Some(&rejection), &limits),
        ..sent.clone()
    };
    assert!(limits.check(&dead_letter).is_ok());
    queues.send(&destination(&broker), &[dead_letter]).await.unwrap();
    let (incoming, _) = receive(&source, 1).await.remove(0);
    let unpacked = Unpacked::of(incoming.attributes);
    assert_eq!(
        (unpacked.original, unpacked.rejection),
        (Some(original), Some(rejection))
    );
    assert_eq!(unpacked.attributes, sent.attributes);
}

#[tokio::test]
async fn clones_share_one_connection_for_publishing() {
    let Some(broker) = broker().await else { return };
    let _source = broker.source("").await;
    let proxy = Proxy::to(broker.address()).await;
    let queues = RabbitMq::new(proxy.url(&broker.url("")).parse().unwrap());
    assert_eq!(proxy.connections(), 0, "it connects at its first use");
    let (first, second) = (queues.clone(), queues.clone());
    let (name, messages) = (destination(&broker), [message("{}", None)]);
    let (first, second) = tokio::join!(first.send(&name, &messages), second.send(&name, &messages));
    first.and(second).unwrap();
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_destination_is_checked_without_a_message() {
    let Some(broker) = broker().await else { return };
    let queues = broker.queues("");
    let error = queues.check(&destination(&broker)).await.unwrap_err();
    assert_eq!(error.fault, SourceFault::Refused);
    let expected = format!(
        "queue amqp:{queue}: queue {queue} does not exist on the broker; declare it, start the worker that receives from it, or \
         correct its name",
        queue = broker.queue
    );
    assert_eq!(chain(&error), expected);
    let _source = broker.source("").await;
    queues.check(&destination(&broker)).await.unwrap();
}
