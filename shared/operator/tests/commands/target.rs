//! `dlq redrive`: the queue that each message is sent to.

use serde_json::json;

use crate::harness::{DEAD, Harness, ORDERS, arn, dead, dead_letter};

const OTHER: &str = "notifications";
const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&REDRIVE[..], more].concat()
}

/// The dead-letter queue is that of two queues.
async fn of_two_queues() -> Harness {
    let harness = Harness::start().await;
    let policy = json!({"deadLetterTargetArn": arn(&harness.stack, DEAD), "maxReceiveCount": 1});
    // The template allows only one source.
    let allow = json!({"Attributes": {"RedriveAllowPolicy": r#"{"redrivePermission":"allowAll"}"#}});
    harness.sqs("SetQueueAttributes", allow, DEAD).await;
    let attributes = json!({"Attributes": {"RedrivePolicy": policy.to_string()}});
    harness.sqs("SetQueueAttributes", attributes, OTHER).await;
    harness
}

async fn moved_from(harness: &Harness, queue: &str) -> String {
    let id = harness.send(queue, &json!({"MessageBody": queue})).await;
    harness.moves(queue).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_returns_to_the_queue_it_came_from() {
    let harness = of_two_queues().await;
    let moved = [moved_from(&harness, ORDERS).await, moved_from(&harness, OTHER).await];
    harness.send(DEAD, &dead_letter(&harness.stack, OTHER, "k-1")).await;
    let preview = harness.succeed(&["dlq", "redrive", DEAD, "--dry-run"]).await;
    assert!(
        preview.contains(&format!(
            "would redrive {} (key {}) to notifications",
            moved[1], moved[1]
        )),
        "{preview}"
    );
    let output = harness.succeed(&REDRIVE).await;
    assert!(
        output.contains("3 redriven to notifications (2) and orders (1), "),
        "{output}"
    );
    let keys = |messages: Vec<(String, serde_json::Value)>| -> Vec<_> {
        messages.iter().map(|(_, message)| message["Body"].clone()).collect()
    };
    assert_eq!(keys(harness.arrived(ORDERS).await), ["orders"]);
    let mut others = keys(harness.arrived(OTHER).await);
    others.sort_by_key(ToString::to_string);
    assert_eq!(others, ["body of k-1", "notifications"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn source_option_selects_the_messages_of_a_queue() {
    let harness = of_two_queues().await;
    let kept = moved_from(&harness, ORDERS).await;
    moved_from(&harness, OTHER).await;
    let unknown = harness.dead("k-1", "wrong sum").await;
    let output = harness.succeed(&with(&["--source", OTHER])).await;
    assert!(output.contains("1 redriven to notifications, 0 REJECTED"), "{output}");
    let mut left = harness.ids(DEAD);
    left.sort();
    let mut expected = [kept, unknown];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!((harness.ids(ORDERS).len(), harness.ids(OTHER).len()), (0, 1));
    // Nothing of that queue is left.
    let none = harness.operator(&with(&["--source", OTHER])).await;
    assert!(
        none.code == Some(1) && none.out.contains("none of 2 messages came from the queue of --source"),
        "{none:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn to_option_refuses_messages_of_other_queues() {
    let harness = of_two_queues().await;
    let refused = [
        moved_from(&harness, OTHER).await,
        harness.send(DEAD, &dead_letter(&harness.stack, OTHER, "k-1")).await,
    ];
    moved_from(&harness, ORDERS).await;
    harness.dead("k-2", "wrong sum").await;
    for dry_run in ["--dry-run", "--yes"] {
        let done = harness
            .operator(&["dlq", "redrive", DEAD, "--to", ORDERS, dry_run])
            .await;
        let why = format!(
            "it came from {}, not from orders: run without --to, or with --force",
            arn(&harness.stack, OTHER)
        );
        assert!(done.code == Some(1) && done.out.matches(&why).count() == 2, "{done:?}");
    }
    assert_eq!((harness.ids(ORDERS).len(), harness.ids(OTHER).len()), (2, 0));
    assert_eq!(harness.ids(DEAD), refused);
    assert!(harness.all_visible(DEAD));
    harness.succeed(&with(&["--to", ORDERS, "--force"])).await;
    assert_eq!((harness.ids(ORDERS).len(), harness.ids(OTHER).len()), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_of_an_unknown_queue_stays_if_there_are_several() {
    let harness = of_two_queues().await;
    let id = harness.dead("k-1", "wrong sum").await;
    let sent = moved_from(&harness, ORDERS).await;
    let done = harness.operator(&REDRIVE).await;
    assert!(
        done.code == Some(1)
            && done
                .out
                .contains("of several queues (notifications, orders): choose one with --to")
            && done.out.contains(&format!("redriven {sent}")),
        "{done:?}"
    );
    assert!(harness.ids(DEAD) == [id] && harness.all_visible(DEAD));
    harness.succeed(&with(&["--to", OTHER])).await;
    assert_eq!(harness.arrived(OTHER).await[0].0, "k-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn message_of_a_queue_without_redrive_policy_returns() {
    let harness = Harness::start().await;
    harness.send(DEAD, &dead_letter(&harness.stack, OTHER, "k-1")).await;
    harness.dead("k-2", "wrong sum").await;
    let output = harness.succeed(&REDRIVE).await;
    assert!(output.contains("(key k-1) to notifications"), "{output}");
    assert!(
        output.contains("2 redriven to notifications (1) and orders (1), "),
        "{output}"
    );
    assert_eq!((harness.ids(ORDERS).len(), harness.ids(OTHER).len()), (1, 1));
}

/// Another queue for dead letters, to which the dead-letter queue's own redrive policy moves them.
const PARKED: &str = "parked";

async fn with_parking() -> Harness {
    let harness = Harness::start().await;
    let create = json!({"QueueName": PARKED});
    harness.stack.sqs().call("CreateQueue", create).await.unwrap();
    harness
}

async fn redriven_from_parking(harness: &Harness) {
    assert_eq!(harness.ids(PARKED).len(), 1);
    let output = harness.succeed(&["dlq", "redrive", PARKED, "--yes"]).await;
    assert!(output.contains("parked: 1 redriven to "), "{output}");
    assert_eq!(harness.arrived(ORDERS).await[0].1["Body"], "body of k-1");
    assert!(harness.ids(DEAD).is_empty() && harness.ids(PARKED).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_that_a_move_task_moved_returns_to_its_queue() {
    let harness = with_parking().await;
    harness.send(DEAD, &dead_letter(&harness.stack, ORDERS, "k-1")).await;
    let task = json!({"SourceArn": arn(&harness.stack, DEAD), "DestinationArn": arn(&harness.stack, PARKED)});
    harness.stack.sqs().call("StartMessageMoveTask", task).await.unwrap();
    redriven_from_parking(&harness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_that_a_redrive_policy_moved_returns_to_its_queue() {
    let harness = with_parking().await;
    let policy = json!({"deadLetterTargetArn": arn(&harness.stack, PARKED), "maxReceiveCount": 1});
    let attributes = json!({"Attributes": {"RedrivePolicy": policy.to_string()}});
    harness.sqs("SetQueueAttributes", attributes, DEAD).await;
    harness.send(DEAD, &dead_letter(&harness.stack, ORDERS, "k-1")).await;
    harness.moves(DEAD).await;
    redriven_from_parking(&harness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redriven_message_returns_to_the_queue_that_moved_it() {
    let harness = of_two_queues().await;
    harness.send(DEAD, &dead_letter(&harness.stack, OTHER, "k-1")).await;
    harness.succeed(&with(&["--to", ORDERS, "--force"])).await;
    harness.moves(ORDERS).await;
    let output = harness.succeed(&REDRIVE).await;
    assert!(output.contains("1 redriven to orders"), "{output}");
}

/// SQS's own redrive sends a rejected message to any queue, and keeps the attributes that state where it was rejected.
#[tokio::test(flavor = "multi_thread")]
async fn message_that_sqs_sent_to_another_queue_returns_there() {
    let harness = of_two_queues().await;
    harness.send(OTHER, &dead_letter(&harness.stack, ORDERS, "k-1")).await;
    harness.record("k-1", "REJECTED", json!({}));
    harness.moves(OTHER).await;
    let list = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(
        list.contains("from notifications") && list.contains("moved by the redrive policy"),
        "{list}"
    );
    let output = harness.succeed(&REDRIVE).await;
    assert!(output.contains("1 redriven to notifications, "), "{output}");
    assert_eq!(harness.arrived(OTHER).await[0].1["Body"], "body of k-1");
    // It is of the function that rejected the message in the first queue.
    assert_eq!(harness.statuses()["place-order#k-1"], "REJECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_message_that_names_no_queue_stays() {
    let harness = with_parking().await;
    let id = harness.send(PARKED, &json!({"MessageBody": "{}"})).await;
    let done = harness.operator(&["dlq", "redrive", PARKED, "--yes"]).await;
    assert!(
        done.code == Some(1)
            && done.out.contains(
                "it does not name the queue it came from, and parked is not the dead-letter queue of any queue"
            ),
        "{done:?}"
    );
    assert!(harness.ids(PARKED) == [id] && harness.all_visible(PARKED));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_whose_queue_cannot_be_used_stays() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    for (queue, expected) in [
        ("gone", "there is no queue gone; pass --to with --force"),
        (DEAD, "source and target are the same queue, orders-dlq"),
        ("line.fifo", "only one is a FIFO queue"),
    ] {
        let id = harness.send(DEAD, &dead_letter(&harness.stack, queue, queue)).await;
        let done = harness.operator(&REDRIVE).await;
        assert!(
            done.code == Some(1) && done.out.contains("it came from arn:aws:sqs:") && done.out.contains(expected),
            "{done:?}"
        );
        assert!(harness.ids(DEAD) == [id] && harness.all_visible(DEAD));
        harness.sqs("PurgeQueue", json!({}), DEAD).await;
    }
    let mut odd = dead_letter(&harness.stack, ORDERS, "k-1");
    odd["MessageAttributes"]["Consumer.Original"]["StringValue"] = r#"{"messageId":"m","queue":"orders"}"#.into();
    harness.send(DEAD, &odd).await;
    let done = harness.operator(&REDRIVE).await;
    assert!(
        done.out.contains("it came from orders: this is no ARN of a queue"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_that_is_no_target_is_refused_at_once() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let id = harness.send(DEAD, &dead("place-order", "k-1", "wrong sum")).await;
    for (arguments, expected) in [
        (
            &["dlq", "redrive", "orders", "--yes"][..],
            "orders is not the dead-letter queue of any queue: pass the queue to send to with --to",
        ),
        (
            &with(&["--to", DEAD]),
            "source and target are the same queue, orders-dlq",
        ),
        (&with(&["--to", "line.fifo"]), "only one is a FIFO queue"),
        (&with(&["--source", "line.fifo"]), "only one is a FIFO queue"),
        (&with(&["--source", "nowhere"]), "there is no queue nowhere"),
    ] {
        let done = harness.operator(arguments).await;
        assert!(done.code == Some(1) && done.err.contains(expected), "{done:?}");
    }
    assert_eq!((harness.stack.sqs().deliveries(&id), harness.ids(DEAD)), (0, vec![id]));
}
