//! The crate cloud-tasks-emulator, whose own tests compare it with recordings of Cloud Tasks: at `CLOUD_TASKS_TEST_URL`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this is tests")]

mod harness;
mod proxy;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloud_tasks::{CloudTasks, Unverified, Verifier, task};
use consumer::{Attribute, Chain, QueueMessage, Queues};
use harness::{ACCOUNT, call, emulator};
use idempotency::Timestamp;
use proxy::proxy;
use support::{message, string};

#[tokio::test]
async fn a_message_arrives_unchanged() {
    let Some(mut emulator) = emulator().await else { return };
    let binary = Attribute {
        data_type: Some("Binary".to_owned()),
        string_value: None,
        binary_value: Some((0..=255).collect()),
    };
    let mut attributes: BTreeMap<_, _> = [
        ("IdempotencyKey", "caller/k-1"),
        ("tenant", "blue"),
        ("Tenant", "re\u{308}d\r\n"),
        ("x/y", "slash"),
        ("long", &*"x".repeat(6000)),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ]
    .map(|(name, value)| (name.to_owned(), string(value)))
    .into();
    attributes.insert("photo".to_owned(), binary);
    let message = QueueMessage {
        attributes,
        group: Some("customer 1".to_owned()),
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ..message("m-1", "{\"a\":\"ü\"}")
    };
    emulator.send(std::slice::from_ref(&message)).await;
    let (headers, body) = emulator.next().await;
    let (received, _) = task(&headers, &body).unwrap();
    assert_eq!((received.id.as_str(), received.receive_count), ("m-1", 1));
    assert_eq!(received.body, message.body);
    assert_eq!(received.attributes, message.attributes);
    assert_eq!(
        (received.group, received.trace_header),
        (message.group, message.trace_header)
    );
    assert!(received.sent_at.unwrap().until(Timestamp::now()) < Duration::from_secs(60));
}

#[tokio::test]
async fn the_largest_message_that_limits_allow_is_accepted() {
    let Some(mut emulator) = emulator().await else { return };
    let limits = CloudTasks::new().limits(&emulator.url());
    let large = |body: usize| QueueMessage {
        attributes: [("a".to_owned(), string(&"x".repeat(7000)))].into(),
        ..message("m-1", &"b".repeat(body))
    };
    let fits = |body: &usize| limits.check(&large(*body)).is_ok();
    let (mut least, mut most) = (0, limits.message_bytes);
    while most - least > 1 {
        let middle = (least + most) / 2;
        match fits(&middle) {
            true => least = middle,
            false => most = middle,
        }
    }
    assert!(least > 900_000, "{least}");
    emulator.send(&[large(least)]).await;
    let (headers, body) = emulator.next().await;
    let (received, _) = task(&headers, &body).unwrap();
    assert_eq!(
        (received.body.len(), &received.attributes),
        (least, &large(0).attributes)
    );
}

#[tokio::test]
async fn every_dispatch_counts_as_a_receive() {
    let Some(mut emulator) = emulator().await else { return };
    emulator.answer(500);
    emulator.send(&[message("m-1", "{}")]).await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let (headers, body) = emulator.next().await;
        counts.push(task(&headers, &body).unwrap().0.receive_count);
    }
    emulator.answer(200);
    emulator.idle().await;
    assert_eq!(counts, [1, 2, 3]);
}

#[tokio::test]
async fn a_copy_takes_the_place_of_its_task_at_its_time() {
    let Some(mut emulator) = emulator().await else { return };
    emulator.answer(409);
    emulator.send(&[message("m-1", "{}")]).await;
    let (headers, body) = emulator.next().await;
    let (first, receipt) = task(&headers, &body).unwrap();
    let at = Timestamp::now().plus(Duration::from_millis(1500));
    let queues = CloudTasks::new();
    // Twice: the answer to the first may be lost, and Cloud Tasks sends the task again.
    queues.retry(&emulator.url(), &receipt, Some(at)).await.unwrap();
    queues.retry(&emulator.url(), &receipt, Some(at)).await.unwrap();
    emulator.answer(200);
    let mut copies = Vec::new();
    emulator.idle().await;
    while let Ok((headers, body)) = emulator.requests.try_recv() {
        let (message, _) = task(&headers, &body).unwrap();
        let is_copy = headers.contains_key("x-consumer-attempts");
        copies.extend(is_copy.then_some((message, Timestamp::now())));
    }
    let [(copy, received_at)] = copies.try_into().unwrap();
    assert!(received_at >= at);
    assert_eq!(
        (copy.id, copy.receive_count, copy.sent_at),
        (first.id, 2, first.sent_at)
    );
    // Its name stays taken.
    queues.retry(&emulator.url(), &receipt, None).await.unwrap();
    emulator.idle().await;
    assert!(emulator.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_lost_reply_makes_no_second_copy() {
    let Some(mut emulator) = emulator().await else { return };
    emulator.answer(409);
    emulator.send(&[message("m-1", "{}")]).await;
    let (headers, body) = emulator.next().await;
    let (_, receipt) = task(&headers, &body).unwrap();
    let (api, requests) = proxy(&emulator.api, 2).await;
    CloudTasks::new()
        .retry(&emulator.url_by(&api), &receipt, None)
        .await
        .unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    emulator.answer(200);
    emulator.idle().await;
    let mut names = Vec::new();
    while let Ok((headers, _)) = emulator.requests.try_recv() {
        if headers.contains_key("x-consumer-attempts") {
            names.push(headers["x-cloudtasks-taskname"].clone());
        }
    }
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn a_lost_reply_to_a_message_is_reported() {
    let Some(mut emulator) = emulator().await else { return };
    let (api, _) = proxy(&emulator.api, 1).await;
    let queues = CloudTasks::new();
    let error = queues
        .send(&emulator.url_by(&api), &[message("m-1", "{}")])
        .await
        .unwrap_err();
    assert_eq!(error.unsent, [0]);
    queues
        .send(&emulator.url_by(&api), &[message("m-1", "{}")])
        .await
        .unwrap();
    for _ in 0..2 {
        let (headers, body) = emulator.next().await;
        assert_eq!(task(&headers, &body).unwrap().0.id.as_str(), "m-1");
    }
}

#[tokio::test]
async fn a_missing_queue_is_refused_with_a_way_out() {
    let Some(emulator) = emulator().await else { return };
    let url = emulator.url().replace("/queues/t-", "/queues/missing-");
    let error = CloudTasks::new().send(&url, &[message("m-1", "{}")]).await.unwrap_err();
    let chain = Chain(&error).to_string();
    assert!(
        error.unsent.is_empty() && chain.contains("404 NOT_FOUND: Queue does not exist"),
        "{chain}"
    );
    assert!(
        chain.ends_with("create the queue, or correct project, location and name in its URL"),
        "{chain}"
    );
}

#[tokio::test]
async fn the_token_of_a_request_is_verified() {
    let Some(mut emulator) = emulator().await else { return };
    let discovery = call(&format!("{}/.well-known/openid-configuration", emulator.api), None).await;
    let text = |name: &str| discovery[name].as_str().unwrap().to_owned();
    emulator.send(&[message("m-1", "{}")]).await;
    let (headers, _) = emulator.next().await;
    let token = headers["authorization"]
        .to_str()
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let verifier =
        |audience: &str, account: &str| Verifier::new(audience, account).with_issuer(text("issuer"), text("jwks_uri"));
    verifier(&emulator.target, ACCOUNT).verify(token).await.unwrap();
    for (audience, account) in [
        ("https://shop.example", ACCOUNT),
        (&*emulator.target, "other@p-1.iam.gserviceaccount.com"),
    ] {
        let verified = verifier(audience, account).verify(token).await;
        assert!(matches!(verified, Err(Unverified::Refused(_))), "{verified:?}");
    }
    // The emulator is not Google.
    let verified = Verifier::new(&emulator.target, ACCOUNT).verify(token).await;
    assert!(matches!(verified, Err(Unverified::Refused(_))), "{verified:?}");
}
