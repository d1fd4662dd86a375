//! What goes wrong between a source and its queue.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod azurite;

use std::time::{Duration, Instant};

use azure_queue::AzureQueueSource;
use azurite::{Azurite, Proxy, azurite, chain, message, open, receive, settle};
use consumer::{Queues, Source, SourceFault, Verdict};

/// A source that is behind a proxy, with short visibility timeouts.
async fn behind_a_proxy() -> Option<(Azurite, Proxy, AzureQueueSource)> {
    let azurite = azurite().await?;
    let proxy = Proxy::to(azurite.address()).await;
    let source = open(&proxy.url(&azurite.url("?window=2"))).await.unwrap();
    Some((azurite, proxy, source))
}

async fn send(azurite: &Azurite, ids: &[&str]) {
    let messages: Vec<_> = ids.iter().map(|id| message("{}", id)).collect();
    azurite.queues().send(&azurite.url(""), &messages).await.unwrap();
}

#[tokio::test]
async fn a_missing_queue_is_refused_with_what_to_do() {
    let Some(azurite) = azurite().await else { return };
    let error = open(&azurite.queue_with("-missing")).await.unwrap_err();
    let shown = chain(&error);
    assert_eq!(error.fault, SourceFault::Refused, "{shown}");
    for part in [
        "-missing",
        "Get Queue Metadata: 404 QueueNotFound",
        "az storage queue create",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let queues = azurite.queues();
    let checked = queues.check(&azurite.queue_with("-missing")).await.unwrap_err();
    assert_eq!(checked.fault, SourceFault::Refused);
    queues.check(&azurite.queue_with("-poison")).await.unwrap();
    let sent = queues
        .send(&azurite.queue_with("-missing"), &[message("{}", "m-1")])
        .await
        .unwrap_err();
    assert!(
        sent.unsent.is_empty() && chain(&sent).contains("QueueNotFound"),
        "{}",
        chain(&sent)
    );
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_not_shown() {
    let Some(azurite) = azurite().await else { return };
    let (fields, signature) = azurite.sas().rsplit_once("sig=").unwrap();
    let wrong = format!("{fields}sig=s3cret{signature}");
    let error = open(&azurite.url(&format!("?{wrong}"))).await.unwrap_err();
    let shown = format!("{} {error:?}", chain(&error));
    assert_eq!(error.fault, SourceFault::Refused, "{shown}");
    assert!(
        shown.contains("403 AuthenticationFailed") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_sas_token_in_the_url_is_enough() {
    let Some(azurite) = azurite().await else { return };
    let url = azurite.url(&format!("?{}&window=2", azurite.sas()));
    let (source, queues) = (open(&url).await.unwrap(), azurite::queues(&url));
    queues.send(&azurite.url(""), &[message("{}", "m-1")]).await.unwrap();
    let (incoming, receipt) = receive(&source, 1).await.remove(0);
    assert_eq!(incoming.id.as_str(), "m-1");
    settle(&source, receipt, Verdict::Done).await.unwrap();
    assert_eq!(azurite.left("").await, 0);
}

#[tokio::test]
async fn a_destination_with_a_query_or_of_another_account_is_refused() {
    let Some(azurite) = azurite().await else { return };
    let queues = azurite.queues();
    let other = "https://shop.queue.core.windows.net/orders";
    for (destination, problem) in [
        (azurite.url("?sig=s3cret"), "without a query"),
        (other.to_owned(), "not of the account"),
    ] {
        let error = queues.send(&destination, &[message("{}", "m-1")]).await.unwrap_err();
        assert!(
            error.unsent.is_empty() && error.why.to_string().contains(problem),
            "{error:?}"
        );
    }
}

/// A record may name the host that was polled before.
#[tokio::test]
async fn a_destination_may_have_another_host_of_the_account() {
    let Some((azurite, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    let (queues, messages) = (azurite::queues(&proxy.url(&azurite.url(""))), [message("{}", "m-1")]);
    proxy.lose(1);
    let lost = queues.send(&azurite.url(""), &messages).await.unwrap_err();
    assert_eq!(lost.unsent, [0], "it was sent to the host that is polled");
    assert_eq!(receive(&source, 1).await.remove(0).0.id.as_str(), "m-1");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    if azurite().await.is_none() {
        return;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = open(&format!("http://{free}/devstoreaccount1/orders"))
        .await
        .unwrap_err();
    assert_eq!(error.fault, SourceFault::Unavailable, "{}", chain(&error));
}

#[tokio::test]
async fn a_message_whose_confirmation_is_lost_is_sent_again_under_its_id() {
    let Some((azurite, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    let url = proxy.url(&azurite.url(""));
    let (queues, messages) = (azurite::queues(&url), ["m-1", "m-2"].map(|id| message("{}", id)));
    proxy.lose(1);
    let error = queues.send(&url, &messages).await.unwrap_err();
    assert_eq!(error.unsent, [0, 1], "{}", chain(&error));
    queues.send(&url, &messages).await.unwrap();
    let received = receive(&source, 3).await;
    let mut ids: Vec<_> = received.iter().map(|(incoming, _)| incoming.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["m-1", "m-1", "m-2"]);
}

#[tokio::test]
async fn messages_of_a_receive_whose_answer_is_lost_are_redelivered() {
    let Some((azurite, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    send(&azurite, &["m-1"]).await;
    proxy.lose(1);
    let error = source.receive(1).await.map(drop).unwrap_err();
    assert_eq!(error.fault, SourceFault::Unavailable, "{}", chain(&error));
    let (again, receipt) = receive(&source, 1).await.remove(0);
    assert_eq!((again.id.as_str(), again.receive_count), ("m-1", 2));
    settle(&source, receipt, Verdict::Done).await.unwrap();
}

#[tokio::test]
async fn a_receipt_is_lost_with_the_answer_to_its_extension() {
    let Some((azurite, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    send(&azurite, &["m-1"]).await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    let (mut receipts, by) = ([receipt], Duration::from_secs(2));
    proxy.lose(1);
    let fault = |mut results: Vec<Result<(), consumer::SourceError>>| results.remove(0).map_err(|error| error.fault);
    assert_eq!(
        fault(source.extend(&mut receipts, by).await),
        Err(SourceFault::Unavailable)
    );
    assert!(proxy.has_lost());
    assert_eq!(
        fault(source.extend(&mut receipts, by).await),
        Err(SourceFault::ReceiptLost)
    );
    let [receipt] = receipts;
    let settled = settle(&source, receipt, Verdict::Done).await.unwrap_err();
    assert_eq!(settled.fault, SourceFault::ReceiptLost, "{}", chain(&settled));
    assert_eq!(receive(&source, 1).await.remove(0).0.receive_count, 2);
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_has_happened() {
    let Some((azurite, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    send(&azurite, &["m-1"]).await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    let mut messages = [(receipt, Verdict::Done)];
    proxy.lose(1);
    let first = source.settle(&mut messages).await.remove(0).unwrap_err();
    assert_eq!(first.fault, SourceFault::Unavailable);
    let again = source.settle(&mut messages).await.remove(0).unwrap_err();
    assert_eq!(again.fault, SourceFault::ReceiptLost);
    assert_eq!(azurite.left("").await, 0);
}

#[tokio::test]
async fn a_server_that_stalls_is_unavailable_after_ten_seconds() {
    let Some((azurite, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    send(&azurite, &["m-1"]).await;
    proxy.stall(true);
    let began = Instant::now();
    let error = source.receive(1).await.map(drop).unwrap_err();
    assert!(
        chain(&error).contains("Get Messages: no answer within 10 s"),
        "{}",
        chain(&error)
    );
    assert!(error.fault == SourceFault::Unavailable && began.elapsed() >= Duration::from_secs(10));
    proxy.stall(false);
    assert_eq!(receive(&source, 1).await.remove(0).0.id.as_str(), "m-1");
}
