//! Sending: what is confirmed exists, and what is not is named.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use cloud_tasks::CloudTasks;
use consumer::{Chain, QueueError, QueueMessage, Queues};
use support::{Fault, StandIn, message};

fn ids(stand_in: &StandIn) -> Vec<String> {
    let tasks = stand_in.tasks();
    let id = |task: &serde_json::Value| {
        let id = &task["httpRequest"]["headers"]["X-Consumer-Message-Id"];
        id.as_str().unwrap().to_owned()
    };
    let mut ids: Vec<_> = tasks.iter().map(id).collect();
    ids.sort();
    ids
}

fn messages(ids: &[&str]) -> Vec<QueueMessage> {
    ids.iter().map(|id| message(id, "{}")).collect()
}

async fn sent(stand_in: &StandIn, faults: Vec<Fault>, ids: &[&str]) -> Result<(), QueueError> {
    stand_in.inject(faults);
    CloudTasks::new().send(&stand_in.queue(), &messages(ids)).await
}

#[tokio::test]
async fn a_message_that_is_sent_exists_as_a_task() {
    let stand_in = StandIn::start().await;
    sent(&stand_in, vec![], &["a", "b", "c"]).await.unwrap();
    assert_eq!(ids(&stand_in), ["a", "b", "c"]);
    let names: BTreeSet<_> = stand_in.tasks().iter().map(|task| task["name"].to_string()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(
        stand_in
            .requests()
            .iter()
            .all(|headers| !headers.contains_key("authorization"))
    );
}

#[tokio::test]
async fn only_what_is_not_confirmed_is_named() {
    for fault in [
        Fault::Status(429, "RESOURCE_EXHAUSTED"),
        Fault::Status(503, "UNAVAILABLE"),
        Fault::Html,
    ] {
        let stand_in = StandIn::start().await;
        let error = sent(&stand_in, vec![fault.clone()], &["a", "b", "c"])
            .await
            .unwrap_err();
        let created = ids(&stand_in);
        assert_eq!(created.len(), 2, "{fault:?}");
        let [unsent] = error.unsent[..] else {
            panic!("{fault:?}: {error:?}");
        };
        assert!(!created.contains(&["a", "b", "c"][unsent].to_owned()), "{fault:?}");
        assert_eq!(stand_in.queue().split_once('?').unwrap().0, error.queue);
    }
}

/// The clock is paused: it advances when everything waits.
#[tokio::test]
async fn a_message_without_a_reply_is_named_in_time() {
    let stand_in = StandIn::start().await;
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let error = sent(&stand_in, vec![Fault::Hangs; 2], &["a", "b"]).await.unwrap_err();
    assert_eq!(error.unsent, [0, 1]);
    assert!(before.elapsed() < Duration::from_millis(3100), "{:?}", before.elapsed());
    let chain = Chain(&error).to_string();
    assert!(chain.contains("did not reply within 3s"), "{chain}");
}

/// The ledger recognises the second by the ID.
#[tokio::test]
async fn a_message_whose_reply_is_lost_is_sent_again_under_its_id() {
    let stand_in = StandIn::start().await;
    let error = sent(&stand_in, vec![Fault::ReplyLost], &["a"]).await.unwrap_err();
    assert_eq!(error.unsent, [0]);
    sent(&stand_in, vec![], &["a"]).await.unwrap();
    assert_eq!(ids(&stand_in), ["a", "a"]);
}

#[tokio::test]
async fn what_waiting_does_not_fix_is_refused_with_a_way_out() {
    for (status, code, text) in [
        (403, "PERMISSION_DENIED", "roles/cloudtasks.enqueuer"),
        (404, "NOT_FOUND", "create the queue"),
        (400, "INVALID_ARGUMENT", "injected"),
    ] {
        let stand_in = StandIn::start().await;
        let faults = vec![Fault::Status(status, code), Fault::Status(503, "UNAVAILABLE")];
        let error = sent(&stand_in, faults, &["a", "b"]).await.unwrap_err();
        assert_eq!(error.unsent, [0_usize; 0]);
        let chain = Chain(&error as &dyn Error).to_string();
        let expected = format!("create a task in projects/p/locations/l/queues/orders: {status} {code}");
        assert!(chain.contains(&expected) && chain.contains(text), "{chain}");
    }
}

#[tokio::test]
async fn a_wrong_url_or_message_is_refused_before_any_request() {
    let stand_in = StandIn::start().await;
    let queues = CloudTasks::new();
    let wrong = "https://sqs.eu-west-1.amazonaws.com/1/orders";
    let error = queues.send(wrong, &messages(&["a"])).await.unwrap_err();
    assert!(error.unsent.is_empty() && Chain(&error).to_string().contains("cloudtasks.googleapis.com"));
    let large = QueueMessage {
        body: "x".repeat(1024 * 1024),
        ..message("a", "")
    };
    let error = queues.send(&stand_in.queue(), &[large]).await.unwrap_err();
    assert!(error.unsent.is_empty() && Chain(&error).to_string().contains("bytes of at most"));
    assert!(stand_in.requests().is_empty());
}

#[tokio::test]
async fn no_error_has_what_is_secret_in_a_target() {
    let stand_in = StandIn::start().await;
    let queue = format!("{}%3Ftoken%3Dsecret", stand_in.queue());
    for fault in [Fault::Status(404, "NOT_FOUND"), Fault::Html] {
        stand_in.inject([fault]);
        let error = CloudTasks::new().send(&queue, &messages(&["a"])).await.unwrap_err();
        assert!(
            !Chain(&error).to_string().contains("secret") && !format!("{error:?}").contains("secret"),
            "{error:?}"
        );
    }
    // The query of a target that is not encoded.
    let queue = format!("{}?x=1&token=secret", stand_in.queue());
    let error = CloudTasks::new().send(&queue, &messages(&["a"])).await.unwrap_err();
    assert!(
        !Chain(&error).to_string().contains("secret") && !format!("{error:?}").contains("secret"),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_a_metadata_server_nothing_is_sent_and_the_error_states_it() {
    let queue = "https://127.0.0.1:1/v2/projects/p/locations/l/queues/q?target=https://a.example/";
    let queues = CloudTasks::new().with_metadata_server("http://127.0.0.1:1");
    let error = queues.send(queue, &messages(&["a"])).await.unwrap_err();
    assert_eq!(error.unsent, [0]);
    let chain = Chain(&error).to_string();
    assert!(
        chain.contains("no access token: 127.0.0.1:1 can't be reached"),
        "{chain}"
    );
}
