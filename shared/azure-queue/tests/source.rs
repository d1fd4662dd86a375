//! What a source makes of the messages in its queue.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod azurite;

use std::time::Duration;

use azurite::{azurite, message, open, receive, settle};
use consumer::dead_letter::Unpacked;
use consumer::{Attribute, QueueMessage, Queues, Source, Verdict};
use idempotency::Timestamp;

#[tokio::test]
async fn a_malformed_envelope_is_dead_lettered_with_its_field() {
    let Some(azurite) = azurite().await else { return };
    let source = azurite.source("?encoding=none").await;
    azurite.put_raw("{\"order\": 1}").await;
    azurite.queues().send(&azurite.url(""), &[]).await.unwrap();
    let queues = azurite::queues(&azurite.url("?encoding=none"));
    queues.send(&azurite.url(""), &[message("{}", "after")]).await.unwrap();
    let (incoming, _) = receive(&source, 1).await.remove(0);
    assert_eq!(incoming.id.as_str(), "after");

    let poison = open(&azurite.queue_with("-poison?encoding=none")).await.unwrap();
    let (dead_letter, _) = receive(&poison, 1).await.remove(0);
    while azurite.left("").await > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let unpacked = Unpacked::of(dead_letter.attributes);
    let reason = unpacked.rejection.unwrap().reason;
    assert!(reason.contains("field `specversion` is missing"), "{reason}");
    assert_eq!(unpacked.original.unwrap().queue, Some(azurite.url("")));
    assert_eq!(dead_letter.body, "{\"order\": 1}");
}

#[tokio::test]
async fn an_undecodable_message_stays_if_there_is_no_queue_for_dead_letters() {
    let Some(azurite) = azurite().await else { return };
    let poison = open(&azurite.queue_with("-poison?window=2")).await.unwrap();
    let without = &azurite.queue_with("-poison");
    azurite::queues(without)
        .send(without, &[message("{}", "after")])
        .await
        .unwrap();
    assert_eq!(receive(&poison, 1).await.len(), 1);
    // Its own queue for dead letters would have the suffix twice.
    let odd = azurite::queues(&azurite.queue_with("-poison?encoding=none"));
    odd.send(without, &[message("{}", "odd")]).await.unwrap();
    assert!(
        poison
            .receive(1)
            .await
            .unwrap()
            .iter()
            .all(|(incoming, _)| incoming.id.as_str() == "after")
    );
    assert_eq!(azurite.left("-poison").await, 2);
}

#[tokio::test]
async fn a_message_without_an_envelope_is_taken_as_it_is() {
    let Some(azurite) = azurite().await else { return };
    let source = azurite.source("?encoding=none&envelope=none&window=2").await;
    azurite.put_raw("tea").await;
    let (incoming, receipt) = receive(&source, 1).await.remove(0);
    assert_eq!((incoming.body.as_str(), incoming.receive_count), ("tea", 1));
    assert!(
        incoming.sent_at.is_some() && incoming.id.as_str().len() == 36,
        "{incoming:?}"
    );
    settle(
        &source,
        receipt,
        Verdict::Retry {
            at: Some(Timestamp::from_millis(0)),
        },
    )
    .await
    .unwrap();
    let (again, _) = receive(&source, 1).await.remove(0);
    assert_eq!(
        (again.body.as_str(), again.receive_count, again.id),
        ("tea", 2, incoming.id)
    );
}

/// The host of Azure Functions can't hide a message for a time of its choice.
#[tokio::test]
async fn a_delayed_copy_is_the_same_message_with_its_receives() {
    let Some(azurite) = azurite().await else { return };
    let source = azurite.source("?window=30").await;
    let attribute = Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some("blue".to_owned()),
        binary_value: None,
    };
    let sent = QueueMessage {
        attributes: [("Tenant".to_owned(), attribute)].into(),
        group: Some("g".to_owned()),
        ..message("{\"a\": 1}", "m-1")
    };
    azurite.queues().send(&azurite.url(""), &[sent]).await.unwrap();
    let (first, receipt) = receive(&source, 1).await.remove(0);
    let at = Timestamp::now().plus(Duration::from_secs(2));
    azurite.queues().delay(&first, at).await.unwrap();
    settle(&source, receipt, Verdict::Done).await.unwrap();
    let (copy, receipt) = receive(&source, 1).await.remove(0);
    assert!(Timestamp::now() >= at);
    let expected = consumer::Incoming {
        receive_count: 2,
        ..first
    };
    assert_eq!(copy, expected);
    azurite.queues().delay(&copy, Timestamp::from_millis(0)).await.unwrap();
    settle(&source, receipt, Verdict::Done).await.unwrap();
    assert_eq!(receive(&source, 1).await.remove(0).0.receive_count, 3);
}

#[tokio::test]
async fn a_large_message_still_fits_the_queue_for_dead_letters() {
    let Some(azurite) = azurite().await else { return };
    let (queues, poison) = (azurite.queues(), azurite.queue_with("-poison"));
    let large = message(&"x".repeat(45_800), "m-1");
    assert!(queues.limits(&azurite.url("")).check(&large).is_ok());
    assert!(
        queues
            .limits(&azurite.url(""))
            .check(&message(&"x".repeat(46_000), "m-1"))
            .is_err()
    );
    // The URL of the queue plays no part.
    let (full, failure) = (
        message(&"x".repeat(48_500), "m-1"),
        consumer::dead_letter::FAILURE.to_owned(),
    );
    assert!(queues.limits(&poison).check(&full).is_err());
    let attribute = Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some("{}".to_owned()),
        binary_value: None,
    };
    let full = QueueMessage {
        attributes: [(failure, attribute)].into(),
        ..full
    };
    assert!(queues.limits(&azurite.url("")).check(&full).is_ok());
    queues.send(&poison, &[full]).await.unwrap();
    assert_eq!(azurite.left("-poison").await, 1);
}

#[tokio::test]
async fn undecodable_messages_go_to_the_queue_that_is_stated() {
    let Some(azurite) = azurite().await else { return };
    let Some(other) = azurite::azurite().await else { return };
    let url: azure_queue::AzureQueueUrl = azurite.url("").parse().unwrap();
    let source = azure_queue::AzureQueueSource::open(&azurite.queues(), url.clone(), other.url(""))
        .await
        .unwrap();
    assert_eq!(source.dead_letter_queue(), other.url(""));
    azurite.put_raw("no Base64").await;
    azurite
        .queues()
        .send(&azurite.url(""), &[message("{}", "after")])
        .await
        .unwrap();
    assert_eq!(receive(&source, 1).await.remove(0).0.id.as_str(), "after");
    let dead_letters = open(&other.url("")).await.unwrap();
    assert_eq!(receive(&dead_letters, 1).await.remove(0).0.body, "no Base64");
    let elsewhere = "https://shop.queue.core.windows.net/orders?sig=x";
    let refused = azure_queue::AzureQueueSource::open(&azurite.queues(), url, elsewhere).await;
    assert_eq!(refused.unwrap_err().fault, consumer::SourceFault::Refused);
}
