//! Work that somebody else has in hand, or had.

use std::sync::Arc;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use emulator::lambda::Event;
use serde_json::{Value, json};

use crate::stage::{
    self, ONE_BY_ONE, VISIBLE_SOON, counts, lease_end, receives, release_once_another_is_turned_away, script, starts,
};

#[tokio::test]
async fn in_progress_elsewhere_it_waits_for_the_lease_with_one_receive_and_is_a_duplicate_then() {
    let stage = stage::set("claiming", &[("FunctionTimeout", "10"), ONE_BY_ONE]).await;
    stage.stack.sqs().deliver_twice("work", 1);
    let message = stage.send("work", &script(["when-released"])).await;
    release_once_another_is_turned_away(&stage).await;
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
    let stage = stage::set("claiming", &VISIBLE_SOON).await;
    let lambda = Arc::clone(stage.stack.lambda());
    let kill = move |_: &Value, _: &Result<Value, ApiError>| assert_eq!(lambda.kill("scripted"), 1);
    stage.inject("PutItem", Some("\"runs\""), 1, FaultKind::AfterApply(Box::new(kill)));
    let message = stage.send("work", &script(["hang", "count"])).await;
    let killed = |event: &Event| matches!(event, Event::InvocationKilled { .. });
    stage.until("it is killed", || stage.events().iter().any(killed)).await;
    let end = lease_end(&stage, &message);
    stage.until_settled(&["work"]).await;
    let starts = starts(&stage, &message);
    assert_eq!((starts.len(), counts(&stage)), (2, vec!["1".to_owned()]));
    assert!(starts[1] > end, "{starts:?}, lease until {end}");
}

/// Lambda refuses a mapping whose queue hides messages for less long than its function may work. But SQS lets anyone shorten
/// a queue's visibility timeout later, and asks nobody.
#[tokio::test]
async fn a_message_whose_twin_is_at_work_for_longer_than_three_visibility_timeouts_is_not_dead_lettered() {
    let parameters = [("FunctionTimeout", "15"), ("MaxReceiveCount", "3"), ONE_BY_ONE];
    let stage = stage::set("claiming", &parameters).await;
    let shorter = json!({ "QueueUrl": "work", "Attributes": { "VisibilityTimeout": "3" } });
    stage.stack.sqs().call("SetQueueAttributes", shorter).await.unwrap();
    stage.stack.sqs().deliver_twice("work", 1);
    let message = stage
        .send("work", &script([json!({ "take": 10_000 }), "count".into()]))
        .await;
    stage.until_settled(&["work"]).await;
    assert_eq!(stage.dead_letters("work"), [""; 0]);
    assert!(stage.is_completed("scripted", &message));
    assert_eq!(starts(&stage, &message).len(), 1, "processed once");
    // The copy at work becomes visible meanwhile, and waits like its twin.
    assert_eq!(receives(&stage, &message), 3 + 2);
}
