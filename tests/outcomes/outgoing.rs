//! Messages that are sent when their work is done.

use serde_json::json;

use crate::done::kill_once_done;
use crate::stage::{self, VISIBLE_SOON, batches, counts, receives, runs, script, send_in_order, starts};

/// The handler's own queue gets what it sends: two effects.
fn sends_two() -> serde_json::Value {
    script([json!({ "send": [script(["count"]), script(["count"])] })])
}

#[tokio::test]
async fn outgoing_messages_are_sent_once_their_work_is_recorded() {
    let stage = stage::set("claiming", &[]).await;
    let message = stage.send("work", &sends_two()).await;
    stage.until_settled(&["work"]).await;
    assert!(stage.is_completed("scripted", &message));
    assert_eq!((runs(&stage).len(), counts(&stage).len()), (3, 2));
    for position in 0..2 {
        let key = format!("scripted#{message}/{position}");
        assert!(stage.is_completed("scripted", &key), "{key}");
    }
}

#[tokio::test]
async fn killed_before_they_are_sent_they_are_sent_at_the_next_delivery() {
    let stage = stage::set("claiming", &VISIBLE_SOON).await;
    kill_once_done(&stage, "PutItem");
    let message = stage.send("work", &sends_two()).await;
    stage.until_settled(&["work"]).await;
    assert_eq!((receives(&stage, &message), starts(&stage, &message).len()), (2, 1));
    assert_eq!(counts(&stage), ["1", "1"]);
}

#[tokio::test]
async fn sent_again_with_a_duplicate_they_take_effect_once() {
    let stage = stage::set("claiming", &[]).await;
    let message = stage.send("work", &sends_two()).await;
    stage.until_settled(&["work"]).await;
    let key = [("IdempotencyKey", message.as_str())];
    stage.send_with_attributes("work", &sends_two(), &key).await;
    stage.until_settled(&["work"]).await;
    let worked = || batches(&stage).iter().map(|batch| batch.messages.len()).sum::<usize>();
    stage.until("what it sends has come twice", || worked() == 2 * 3).await;
    assert_eq!(
        (runs(&stage).len(), counts(&stage)),
        (3, vec!["1".to_owned(), "1".to_owned()])
    );
}

#[tokio::test]
async fn what_could_not_be_sent_is_neither_recorded_as_done_nor_sent_in_part() {
    let stage = stage::set("one-step", &[]).await;
    // Without a group, which their FIFO queue demands.
    let message = send_in_order(&stage, "a", "1", &sends_two()).await;
    stage.until_settled(&["work.fifo"]).await;
    let record = stage.record("scripted", &message).unwrap();
    assert!(
        record.status == "REJECTED" && record.reason.contains("message group"),
        "{record:?}"
    );
    assert_eq!((runs(&stage).len(), counts(&stage).len()), (1, 0));
}
