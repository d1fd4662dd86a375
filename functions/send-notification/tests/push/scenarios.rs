//! One list of scenarios, on each platform.

use emulator::dynamodb::{FaultKind, Reply};
use idempotency::Key;
use serde_json::json;

use crate::platform::{ALL, Platform};
use crate::process::Surroundings;
use crate::receiver::Receiver;

const NAMESPACE: &str = "send-notification";

fn notification(to: &str) -> String {
    json!({ "to": to, "subject": "Your order", "text": "It is on its way." }).to_string()
}

/// How often the stack's receiver got the notification of a message.
fn posts(surroundings: &Surroundings, id: &str) -> u32 {
    let token = Key::new(NAMESPACE, id).unwrap().token();
    let receiver = surroundings.stack.receiver("NotificationUrl");
    receiver
        .notifications()
        .remove(&token)
        .map_or(0, |notified| notified.requests)
}

/// How many delayed copies were made.
fn copies(surroundings: &Surroundings) -> usize {
    surroundings.copies.received()
}

#[tokio::test]
async fn a_notification_that_is_delivered_again_is_posted_once() {
    for platform in ALL {
        let surroundings = Surroundings::new(platform, None).await;
        let process = surroundings.start().await;
        for nth in 1..=3 {
            let status = process.deliver("m-1", nth, &notification("ada")).await;
            assert_eq!(status, Some(platform.acknowledged()), "{platform:?}");
        }
        assert_eq!((posts(&surroundings, "m-1"), copies(&surroundings)), (1, 0));
        // By another process, too.
        process.kill().await;
        let other = surroundings.start().await;
        assert_eq!(
            other.deliver("m-1", 4, &notification("ada")).await,
            Some(platform.acknowledged())
        );
        assert_eq!(posts(&surroundings, "m-1"), 1);
    }
}

#[tokio::test]
async fn deliveries_at_once_to_two_processes_are_posted_once() {
    for platform in ALL {
        let surroundings = Surroundings::new(platform, None).await;
        let (one, other) = tokio::join!(surroundings.start(), surroundings.start());
        let body = notification("ada");
        let statuses = tokio::join!(one.deliver("m-1", 1, &body), other.deliver("m-1", 1, &body));
        let expected = [Some(platform.acknowledged()), Some(platform.retried())];
        assert!(
            expected.contains(&statuses.0) && expected.contains(&statuses.1),
            "{platform:?} {statuses:?}"
        );
        assert!([statuses.0, statuses.1].contains(&expected[0]));
        assert_eq!(posts(&surroundings, "m-1"), 1);
    }
}

#[tokio::test]
async fn lost_replies_of_the_ledger_do_not_repeat_a_post() {
    for platform in ALL {
        let surroundings = Surroundings::new(platform, None).await;
        surroundings
            .stack
            .inject("PutItem", Some("INPROGRESS"), 1, FaultKind::LoseReply);
        surroundings
            .stack
            .inject("PutItem", Some("COMPLETED"), 1, FaultKind::LoseReply);
        let process = surroundings.start().await;
        let status = process.deliver("m-1", 1, &notification("ada")).await;
        assert_eq!(status, Some(platform.acknowledged()), "{platform:?}");
        assert_eq!(posts(&surroundings, "m-1"), 1);
    }
}

#[tokio::test]
async fn a_receiver_that_fails_once_gets_the_notification_later() {
    for platform in ALL {
        let surroundings = Surroundings::new(platform, None).await;
        surroundings.stack.receiver("NotificationUrl").refuse_next(503, None);
        let process = surroundings.start().await;
        let status = process.deliver("m-1", 1, &notification("ada")).await;
        assert_eq!(status, Some(platform.retried()), "{platform:?}");
        assert_eq!(copies(&surroundings), usize::from(platform != Platform::PubSub));
        assert_eq!(
            process.deliver("m-1", 2, &notification("ada")).await,
            Some(platform.acknowledged())
        );
        assert!(surroundings.stack.is_completed(NAMESPACE, "m-1"));
    }
}

#[tokio::test]
async fn what_can_never_be_sent_is_dead_lettered_with_its_reason() {
    for platform in ALL {
        let surroundings = Surroundings::new(platform, None).await;
        let process = surroundings.start().await;
        for (id, body) in [("m-1", notification("")), ("m-2", "no notification".to_owned())] {
            assert_eq!(
                process.deliver(id, 1, &body).await,
                Some(platform.acknowledged()),
                "{platform:?}"
            );
            let dead_letter = surroundings.stack.dead_letter("notifications", id).unwrap();
            assert_eq!(dead_letter.key, id);
            assert!(!dead_letter.reason.is_empty());
            assert_eq!(posts(&surroundings, id), 0);
        }
    }
}

#[tokio::test]
async fn killed_between_post_and_record_it_posts_with_the_same_key() {
    for platform in ALL {
        let receiver = Receiver::silent("ada", 1).await;
        let surroundings = Surroundings::new(platform, Some(&receiver.url)).await;
        let process = surroundings.start().await;
        let delivery = process.begin("m-1", 1, &notification("ada")).await;
        surroundings
            .stack
            .until("the post", || receiver.posts("ada").len() == 1)
            .await;
        process.kill().await;
        assert_eq!(delivery.answer().await, None, "{platform:?}");

        let process = surroundings.start().await;
        // Until the lease ends, the killed process may still be at work.
        assert_eq!(
            process.deliver("m-1", 2, &notification("ada")).await,
            Some(platform.retried())
        );
        assert_eq!(receiver.posts("ada").len(), 1);
        end_lease(&surroundings, "m-1");
        assert_eq!(
            process.deliver("m-1", 3, &notification("ada")).await,
            Some(platform.acknowledged())
        );
        let posts = receiver.posts("ada");
        let keys: Vec<_> = posts.iter().map(|post| post.header("idempotency-key")).collect();
        let token = Key::new(NAMESPACE, "m-1").unwrap().token();
        assert_eq!(keys, [&token, &token]);
    }
}

/// As if half a minute had passed.
fn end_lease(surroundings: &Surroundings, key: &str) {
    let request = json!({
        "TableName": "idempotency",
        "Key": { "id": { "S": format!("{NAMESPACE}#{key}") } },
        "UpdateExpression": "SET in_progress_expiration = :past",
        "ConditionExpression": "#s = :in_progress",
        "ExpressionAttributeNames": { "#s": "status" },
        "ExpressionAttributeValues": { ":past": { "N": "1" }, ":in_progress": { "S": "INPROGRESS" } },
    });
    let updated = surroundings.stack.stack.dynamodb().call("UpdateItem", request);
    assert!(matches!(updated, Reply::Answer(Ok(_))));
}

#[tokio::test]
async fn a_message_in_process_at_sigterm_is_finished() {
    for platform in ALL {
        let surroundings = Surroundings::new(platform, None).await;
        // It is answered when the stop has begun.
        surroundings
            .stack
            .receiver("NotificationUrl")
            .set_pace(std::time::Duration::from_secs(2));
        let process = surroundings.start().await;
        let delivery = process.begin("m-1", 1, &notification("ada")).await;
        surroundings
            .stack
            .until("the claim", || surroundings.stack.record(NAMESPACE, "m-1").is_some())
            .await;
        process.terminate().await;
        let (code, log) = process.ends().await;
        assert_eq!(
            delivery.answer().await,
            Some(platform.acknowledged()),
            "{platform:?}\n{log}"
        );
        assert_eq!((code, posts(&surroundings, "m-1")), (Some(0), 1), "{log}");
        assert!(surroundings.stack.is_completed(NAMESPACE, "m-1"));
        let found = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} in {log}"));
        assert!(found("stops: messages in process") < found("\"done\""), "{log}");
    }
}
