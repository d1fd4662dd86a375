//! The groups of a FIFO queue.

use serde_json::json;

use crate::stage::{self, HIDDEN_FOR_LONG, receives, runs, script, send_in_order, starts};

#[tokio::test]
async fn after_a_retry_its_group_waits_and_the_other_groups_go_on() {
    let stage = stage::set("claiming", &[HIDDEN_FOR_LONG]).await;
    let failing = send_in_order(&stage, "a", "1", &script([json!({ "retry-after": 2 }), "done".into()])).await;
    let behind = send_in_order(&stage, "a", "2", &script(["done"])).await;
    let elsewhere = send_in_order(&stage, "b", "3", &script(["done"])).await;
    stage.until_settled(&["work.fifo"]).await;
    let order: Vec<_> = runs(&stage).into_iter().map(|run| run.message).collect();
    let of_group: Vec<_> = order.iter().filter(|message| **message != elsewhere).collect();
    assert_eq!(of_group, [&failing, &failing, &behind]);
    assert!(starts(&stage, &elsewhere)[0] < starts(&stage, &failing)[1]);
}

#[tokio::test]
async fn after_a_permanent_failure_its_group_goes_on() {
    let stage = stage::set("claiming", &[HIDDEN_FOR_LONG]).await;
    let poison = send_in_order(&stage, "a", "1", &script(["permanent"])).await;
    let behind = send_in_order(&stage, "a", "2", &script(["done"])).await;
    stage.until_settled(&["work.fifo"]).await;
    let letters = stage.stack.sqs().peek("work-dlq.fifo");
    assert_eq!(stage::original_ids(&letters), [&poison]);
    assert_eq!(letters[0].group.as_deref(), Some("a"));
    assert_eq!((receives(&stage, &poison), receives(&stage, &behind)), (1, 1));
    assert!(stage.is_completed("scripted", &behind));
}

#[tokio::test]
async fn a_group_that_is_to_be_held_waits_until_the_redrive_policy_moves_the_message() {
    let stage = stage::set("holding", &[HIDDEN_FOR_LONG, ("MaxReceiveCount", "3")]).await;
    let poison = send_in_order(&stage, "a", "1", &script(["permanent"])).await;
    stage
        .until("it has failed", || !starts(&stage, &poison).is_empty())
        .await;
    // Not before: what is received together with it is received as often.
    let behind = send_in_order(&stage, "a", "2", &script(["done"])).await;
    stage.until_settled(&["work.fifo"]).await;
    assert_eq!(stage.dead_letters("work.fifo"), [poison.as_str()], "moved, not sent");
    let order: Vec<_> = runs(&stage).into_iter().map(|run| run.message).collect();
    assert_eq!(order, [poison.clone(), poison.clone(), poison, behind]);
}
