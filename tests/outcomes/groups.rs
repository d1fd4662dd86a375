//! The groups of a FIFO queue.

use serde_json::json;

use crate::stage::{
    self, lease_end, receives, release_once_another_is_turned_away, runs, script, send_in_order, starts,
};

#[tokio::test]
async fn after_a_retry_its_group_waits_and_the_other_groups_go_on() {
    let stage = stage::set("claiming", &[]).await;
    let failing = send_in_order(&stage, "a", "1", &script([json!({ "retry-after": 2 }), "done".into()])).await;
    let behind = send_in_order(&stage, "a", "2", &script(["done"])).await;
    let elsewhere = send_in_order(&stage, "b", "3", &script(["done"])).await;
    stage.until_settled(&["work.fifo"]).await;
    let order: Vec<_> = runs(&stage).into_iter().map(|run| run.message).collect();
    let of_group: Vec<_> = order.iter().filter(|message| **message != elsewhere).collect();
    assert_eq!(of_group, [&failing, &failing, &behind]);
    assert!(starts(&stage, &elsewhere)[0] < starts(&stage, &failing)[1]);
    assert_eq!((receives(&stage, &failing), receives(&stage, &behind)), (2, 2));
}

#[tokio::test]
async fn in_progress_elsewhere_its_group_waits_and_behind_a_duplicate_it_goes_on() {
    let stage = stage::set("business", &[("FunctionTimeout", "10")]).await;
    let order = json!({ "key": "o-1", "deeds": ["when-released"] });
    let elsewhere = [("m-1", "b", order.clone())];
    let group = async {
        stage.until("it is in progress", || !runs(&stage).is_empty()).await;
        let again = send_in_order(&stage, "a", "1", &order).await;
        let behind = send_in_order(&stage, "a", "2", &json!({ "key": "o-2", "deeds": ["done"] })).await;
        let lease_end = lease_end(&stage, "o-1");
        release_once_another_is_turned_away(&stage).await;
        (again, behind, lease_end)
    };
    let (failed, (again, behind, lease_end)) = tokio::join!(stage.invoke("scripted-in-order", &elsewhere), group);
    assert_eq!(failed, [""; 0]);
    stage.until_settled(&["work.fifo"]).await;
    assert_eq!((starts(&stage, &again).len(), receives(&stage, &again)), (0, 2));
    assert!(starts(&stage, &behind)[0] > lease_end);
}

#[tokio::test]
async fn after_a_permanent_failure_its_group_goes_on() {
    let stage = stage::set("claiming", &[]).await;
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
    let stage = stage::set("holding", &[("MaxReceiveCount", "3")]).await;
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
