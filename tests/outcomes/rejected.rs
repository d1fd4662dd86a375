//! Permanent failures.

use std::sync::Arc;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use scripted::Action;
use serde_json::{Value, json};
use testing::Record;

use crate::stack::{self, dead_letters, receives, script, starts};

/// Promise 5.
#[tokio::test]
async fn permanent_failure_is_dead_lettered_with_its_attributes() {
    for handler in ["claiming", "one-step", "natural"] {
        let stack = stack::start(handler, &[]).await;
        let attributes = [("tenant", "blue")];
        let body = script([Action::Permanent]);
        let message = stack.send_with_attributes("work", &body, &attributes).await;
        stack.until_settled(&["work"]).await;
        assert_eq!(
            (receives(&stack, &message), starts(&stack, &message).len()),
            (1, 1),
            "{handler}"
        );
        let dead_letters = dead_letters(&stack);
        let [dead_letter] = dead_letters.as_slice() else {
            panic!("{dead_letters:?}")
        };
        assert_eq!(dead_letter.body, body.to_string());
        let names: Vec<_> = dead_letter.attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["Consumer.Failure", "Consumer.Original", "tenant"], "{handler}");
        assert_eq!(dead_letter.attributes["tenant"], "blue");
        let queue = format!("arn:aws:sqs:{}:000000000000:work", stack.stack.region());
        assert_eq!(
            stack::stated(dead_letter, "Consumer.Original"),
            json!({"messageId": message, "queue": queue})
        );
        assert_eq!(
            stack::stated(dead_letter, "Consumer.Failure"),
            json!({"reason": "not ever", "function": "scripted", "receiveCount": 1})
        );
        let record = (handler != "natural").then(|| Record::rejected("not ever"));
        assert_eq!(stack.record("scripted", &message), record, "{handler}");
    }
}

#[tokio::test]
async fn malformed_body_is_dead_lettered_without_quoting_it() {
    let stack = stack::start("claiming", &[]).await;
    let malformed = stack.send("work", &Value::from("4111 1111 1111 1111")).await;
    let other = stack.send("work", &script([Action::Done])).await;
    stack.until_settled(&["work"]).await;
    assert!(stack.is_completed("scripted", &other));
    assert_eq!((receives(&stack, &malformed), starts(&stack, &malformed).len()), (1, 0));
    let dead_letters = dead_letters(&stack);
    let [dead_letter] = dead_letters.as_slice() else {
        panic!("{dead_letters:?}")
    };
    assert_eq!(stack::stated(dead_letter, "Consumer.Original")["messageId"], *malformed);
    let reason = stack::reason(dead_letter);
    assert!(
        reason.starts_with("malformed body: ") && !reason.contains("4111"),
        "{reason}"
    );
}

#[tokio::test]
async fn without_dead_letter_queue_the_redrive_policy_moves_it() {
    let parameters = [("DeadLetters", "by-policy"), ("MaxReceiveCount", "2")];
    let stack = stack::start("claiming", &parameters).await;
    let message = stack.send("work", &script([Action::Permanent])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(
        stack.dead_letters("work"),
        [message.as_str()],
        "moved, not sent: it is the same message"
    );
    assert_eq!((receives(&stack, &message), starts(&stack, &message).len()), (2, 1));
    assert_eq!(stack.record("scripted", &message), Some(Record::rejected("not ever")));
}

#[tokio::test]
async fn rejected_key_is_dead_lettered_again_without_a_run() {
    let stack = stack::start("claiming", &[]).await;
    let message = stack.send("work", &script([Action::Permanent])).await;
    stack.until_settled(&["work"]).await;
    let key = [("IdempotencyKey", message.as_str())];
    let again = stack
        .send_with_attributes("work", &script([Action::Permanent]), &key)
        .await;
    stack.until_settled(&["work"]).await;
    assert_eq!(starts(&stack, &again).len(), 0);
    let dead_letters = dead_letters(&stack);
    assert_eq!(stack::original_ids(&dead_letters), [message.as_str(), &again]);
    // The key of the first is its own ID.
    let keys = [0, 1].map(|index| stack::stated(&dead_letters[index], "Consumer.Original")["key"].clone());
    assert_eq!(keys, [json!(null), json!(message)]);
    let [first, second] = [0, 1].map(|index| stack::reason(&dead_letters[index]));
    assert_eq!(second, format!("its key was rejected before: {first}"));
}

#[tokio::test]
async fn last_failure_is_dead_lettered_with_its_reason() {
    for (action, reason, left) in [
        (Action::Retry, "not today", None),
        (Action::Panic, "panic: at the disco", None),
        (
            Action::Hang,
            "the handler was cancelled at the deadline",
            Some("INPROGRESS"),
        ),
    ] {
        let stack = stack::start("claiming", &[("MaxReceiveCount", "2")]).await;
        let message = stack.send("work", &script([action])).await;
        stack.until_settled(&["work"]).await;
        assert_eq!((receives(&stack, &message), starts(&stack, &message).len()), (2, 2));
        let dead_letters = dead_letters(&stack);
        assert_eq!(
            stack::original_ids(&dead_letters),
            [message.as_str()],
            "sent, not moved"
        );
        assert_eq!(
            stack::stated(&dead_letters[0], "Consumer.Failure"),
            json!({"reason": reason, "function": "scripted", "receiveCount": 2})
        );
        let record = stack.record("scripted", &message);
        assert_eq!(record.map(|record| record.status).as_deref(), left, "{reason}");
    }
}

#[tokio::test]
async fn redrive_policy_moves_the_message_of_a_dying_process() {
    let stack = stack::start("claiming", &[("MaxReceiveCount", "1")]).await;
    let lambda = Arc::clone(stack.stack.lambda());
    let kill = move |_: &Value, _: &Result<Value, ApiError>| assert_eq!(lambda.kill("scripted"), 1);
    stack.inject("PutItem", Some("\"runs\""), 1, FaultKind::AfterApply(Box::new(kill)));
    let message = stack.send("work", &script([Action::Hang])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(stack.dead_letters("work"), [message.as_str()], "moved, not sent");
    assert!(!dead_letters(&stack)[0].attributes.contains_key("Consumer.Failure"));
}

#[tokio::test]
async fn redrive_policy_moves_a_retried_message_and_its_key_is_free() {
    let parameters = [("DeadLetters", "by-policy"), ("MaxReceiveCount", "2")];
    let stack = stack::start("claiming", &parameters).await;
    let message = stack.send("work", &script([Action::Retry])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(stack.dead_letters("work"), [message.as_str()]);
    assert_eq!(
        (starts(&stack, &message).len(), stack.record("scripted", &message)),
        (2, None)
    );
}
