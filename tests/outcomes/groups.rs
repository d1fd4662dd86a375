//! Message groups of a FIFO queue.

use scripted::Action;

use crate::stack::{
    self, keyed, lease_end, receives, release_after_another_is_in_progress, runs, script, send_in_order, starts,
};

#[tokio::test]
async fn retry_blocks_its_group_and_no_other() {
    let stack = stack::start("claiming", &[]).await;
    let failing = send_in_order(&stack, "a", "1", &script([Action::RetryAfter(2), Action::Done])).await;
    let behind = send_in_order(&stack, "a", "2", &script([Action::Done])).await;
    let other = send_in_order(&stack, "b", "3", &script([Action::Done])).await;
    stack.until_settled(&["work.fifo"]).await;
    let order: Vec<_> = runs(&stack).into_iter().map(|run| run.message).collect();
    let of_group: Vec<_> = order.iter().filter(|message| **message != other).collect();
    assert_eq!(of_group, [&failing, &failing, &behind]);
    assert!(starts(&stack, &other)[0] < starts(&stack, &failing)[1]);
    assert_eq!((receives(&stack, &failing), receives(&stack, &behind)), (2, 2));
}

#[tokio::test]
async fn group_waits_for_a_lease_and_goes_on_after_a_duplicate() {
    let stack = stack::start("business", &[]).await;
    let order = keyed("o-1", Action::WhenReleased);
    let holder = [("m-1", "b", order.clone())];
    let group = async {
        stack.until("it is in progress", || !runs(&stack).is_empty()).await;
        let again = send_in_order(&stack, "a", "1", &order).await;
        let behind = send_in_order(&stack, "a", "2", &keyed("o-2", Action::Done)).await;
        let lease_end = lease_end(&stack, "o-1");
        release_after_another_is_in_progress(&stack).await;
        (again, behind, lease_end)
    };
    let (failed, (again, behind, lease_end)) = tokio::join!(stack.invoke("scripted-in-order", &holder), group);
    assert_eq!(failed, [""; 0]);
    stack.until_settled(&["work.fifo"]).await;
    assert_eq!((starts(&stack, &again).len(), receives(&stack, &again)), (0, 2));
    assert!(starts(&stack, &behind)[0] > lease_end);
}

#[tokio::test]
async fn group_goes_on_after_a_permanent_failure() {
    let stack = stack::start("claiming", &[]).await;
    let poison = send_in_order(&stack, "a", "1", &script([Action::Permanent])).await;
    let behind = send_in_order(&stack, "a", "2", &script([Action::Done])).await;
    stack.until_settled(&["work.fifo"]).await;
    let dead_letters = stack.stack.sqs().peek("work-dlq.fifo");
    assert_eq!(stack::original_ids(&dead_letters), [poison.as_str()]);
    assert_eq!(dead_letters[0].group.as_deref(), Some("a"));
    assert_eq!((receives(&stack, &poison), receives(&stack, &behind)), (1, 1));
    assert!(stack.is_completed("scripted", &behind));
}

#[tokio::test]
async fn held_group_waits_until_the_redrive_policy_moves_a_message() {
    let stack = stack::start("holding", &[("MaxReceiveCount", "3")]).await;
    let poison = send_in_order(&stack, "a", "1", &script([Action::Permanent])).await;
    stack
        .until("it has failed", || !starts(&stack, &poison).is_empty())
        .await;
    // Sent only now: messages that are received together have the same receive count.
    let behind = send_in_order(&stack, "a", "2", &script([Action::Done])).await;
    stack.until_settled(&["work.fifo"]).await;
    assert_eq!(stack.dead_letters("work.fifo"), [poison.as_str()], "moved, not sent");
    let order: Vec<_> = runs(&stack).into_iter().map(|run| run.message).collect();
    assert_eq!(order, [poison.clone(), poison.clone(), poison, behind]);
}
