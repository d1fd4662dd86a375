//! Work that can never be done.

use serde_json::{Value, json};
use testing::Record;

use crate::stage::{self, dead_letters, receives, script, starts};

#[tokio::test]
async fn a_permanent_failure_is_in_the_dead_letter_queue_after_one_receive_with_all_there_is_to_know() {
    for handler in ["claiming", "one-step", "natural"] {
        let stage = stage::set(handler, &[]).await;
        let attributes = [("tenant", "blue")];
        let body = script(["permanent"]);
        let message = stage.send_with_attributes("work", &body, &attributes).await;
        stage.until_settled(&["work"]).await;
        assert_eq!(
            (receives(&stage, &message), starts(&stage, &message).len()),
            (1, 1),
            "{handler}"
        );
        let letters = dead_letters(&stage);
        let [letter] = letters.as_slice() else {
            panic!("{letters:?}")
        };
        assert_eq!(letter.body, body.to_string());
        let told = [
            ("FailedFunction", "scripted"),
            ("FailureReason", "not ever"),
            ("IdempotencyKey", &message),
            ("OriginalMessageId", &message),
            ("ReceiveCount", "1"),
            ("tenant", "blue"),
        ];
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(letter.attributes, told.into(), "{handler}");
        let record = (handler != "natural").then(|| Record::rejected("not ever"));
        assert_eq!(stage.record("scripted", &message), record, "{handler}");
    }
}

#[tokio::test]
async fn a_malformed_body_is_in_the_dead_letter_queue_after_one_receive_and_quotes_nothing() {
    let stage = stage::set("claiming", &[]).await;
    let malformed = stage.send("work", &Value::from("4111 1111 1111 1111")).await;
    let other = stage.send("work", &script(["done"])).await;
    stage.until_settled(&["work"]).await;
    assert!(stage.is_completed("scripted", &other));
    assert_eq!((receives(&stage, &malformed), starts(&stage, &malformed).len()), (1, 0));
    let letters = dead_letters(&stage);
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(letter.attributes["OriginalMessageId"], malformed);
    let reason = &letter.attributes["FailureReason"];
    assert!(
        reason.starts_with("malformed body: ") && !reason.contains("4111"),
        "{reason}"
    );
}

#[tokio::test]
async fn without_a_configured_dead_letter_queue_the_redrive_policy_moves_it() {
    let parameters = [("DeadLetters", "by-policy"), ("MaxReceiveCount", "2")];
    let stage = stage::set("claiming", &parameters).await;
    let message = stage.send("work", &script(["permanent"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(
        stage.dead_letters("work"),
        [message.as_str()],
        "moved, not sent: it is the same message"
    );
    assert_eq!((receives(&stage, &message), starts(&stage, &message).len()), (2, 1));
    assert_eq!(stage.record("scripted", &message), Some(Record::rejected("not ever")));
}

#[tokio::test]
async fn sent_back_under_its_key_it_is_dead_lettered_again_and_does_not_run() {
    let stage = stage::set("claiming", &[]).await;
    let message = stage.send("work", &script(["permanent"])).await;
    stage.until_settled(&["work"]).await;
    let key = [("IdempotencyKey", message.as_str())];
    let again = stage.send_with_attributes("work", &script(["permanent"]), &key).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(starts(&stage, &again).len(), 0);
    let letters = dead_letters(&stage);
    assert_eq!(stage::original_ids(&letters), [&message, &again]);
    assert!(
        letters
            .iter()
            .all(|letter| letter.attributes["IdempotencyKey"] == message)
    );
    let [first, second] = [0, 1].map(|letter| &letters[letter].attributes["FailureReason"]);
    assert_eq!(second, &format!("its key was rejected before: {first}"));
}

#[tokio::test]
async fn a_message_that_is_retried_too_often_is_moved_by_the_redrive_policy_and_its_key_is_free() {
    let stage = stage::set("claiming", &[("MaxReceiveCount", "2")]).await;
    let message = stage.send("work", &json!({ "deeds": ["retry"] })).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(stage.dead_letters("work"), [message.as_str()]);
    assert_eq!(
        (starts(&stage, &message).len(), stage.record("scripted", &message)),
        (2, None)
    );
}
