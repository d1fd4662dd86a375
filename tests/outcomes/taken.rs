//! Work that somebody else has in hand, or had.

use std::sync::Arc;

use local::ApiError;
use local::dynamodb::FaultKind;
use local::lambda::Event;
use local::testing::event;
use serde_json::{Value, json};

use crate::stage::{self, HIDDEN_FOR_LONG, ONE_BY_ONE, counts, lease_end, receives, runs, script, starts};

#[tokio::test]
async fn in_progress_elsewhere_it_waits_for_the_lease_with_one_receive_and_is_a_duplicate_then() {
    let stage = stage::set("claiming", &[HIDDEN_FOR_LONG, ONE_BY_ONE]).await;
    stage.stack.sqs().deliver_twice("work", 1);
    let message = stage.send("work", &script([json!({ "take": 400 })])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(starts(&stage, &message).len(), 1);
    assert_eq!(
        receives(&stage, &message),
        3,
        "of one copy once, of the other before and after the lease"
    );
    assert!(stage.is_completed("scripted", &message));
}

#[tokio::test]
async fn killed_in_its_work_it_runs_again_once_the_lease_has_ended() {
    let stage = stage::set("claiming", &[]).await;
    let lambda = Arc::clone(stage.stack.lambda());
    let kill = move |_: &Value, _: &Result<Value, ApiError>| assert_eq!(lambda.kill("scripted"), 1);
    stage.inject("PutItem", Some("\"runs\""), 1, FaultKind::AfterApply(Box::new(kill)));
    let message = stage.send("work", &script(["hang", "hang", "count"])).await;
    let killed = |event: &Event| matches!(event, Event::InvocationKilled { .. });
    stage.until("it is killed", || stage.events().iter().any(killed)).await;
    let end = lease_end(&stage, &message);
    stage.until_settled(&["work"]).await;
    let starts = starts(&stage, &message);
    assert_eq!((starts.len(), counts(&stage)), (2, vec!["1".to_owned()]));
    assert!(starts[1] > end, "{starts:?}, lease until {end}");
}

/// A deployment has shortened the times of function and queue, and does not end what is under way: an invocation that has
/// more time works on an order when its producer, who is not sure, sends the order again. (So it is, too, where somebody
/// shortens a queue's visibility timeout alone: Lambda looks at it only when a mapping is created or changed.)
#[tokio::test]
async fn a_message_whose_twin_is_at_work_for_longer_than_it_may_be_received_is_not_dead_lettered() {
    let stage = stage::set("business", &[("VisibilityTimeout", "1"), ("MaxReceiveCount", "3")]).await;
    let order = json!({ "key": "o-1", "deeds": [{ "take": 5000 }] });
    let first = [("m-1", order.clone())];
    let twin = async {
        stage
            .until("the first attempt is under way", || !runs(&stage).is_empty())
            .await;
        // A warm process, so that a cold start on a busy machine does not outlast the visibility timeout.
        let twin = stage.send("work", &order).await;
        stage.until_settled(&["work"]).await;
        twin
    };
    let (before, twin) = tokio::join!(stage.invoke_with("scripted-before", event("work", &first)), twin);
    assert_eq!(local::testing::failures(&before), [""; 0]);
    assert!(
        before.duration > std::time::Duration::from_secs(4),
        "longer than three visibility timeouts"
    );
    assert_eq!(stage.dead_letters("work"), [""; 0]);
    assert!(receives(&stage, &twin) <= 3);
    let worked: Vec<_> = runs(&stage).into_iter().map(|run| run.message).collect();
    assert_eq!(worked, ["m-1"], "processed once");
    assert!(stage.is_completed("scripted", "o-1"));
}
