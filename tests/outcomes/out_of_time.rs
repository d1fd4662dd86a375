//! Invocations that have less time than their messages want.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::ApiError;
use emulator::sqs::{Fault, FaultKind};
use serde_json::Value;
use testing::{TestStack, event, failures};

use crate::stage::{self, batches, lease_end, receives, script, starts};

/// More than the lanes that run side by side.
const HANGING: usize = 12;

/// How long each message is to be hidden before it comes again, in seconds, by its receipt handle.
fn watch_delays(stage: &TestStack) -> Arc<Mutex<BTreeMap<String, u64>>> {
    let delays = Arc::new(Mutex::new(BTreeMap::new()));
    let noted = Arc::clone(&delays);
    let hook = move |request: &Value, _: &Result<Value, ApiError>| {
        for entry in request["Entries"].as_array().unwrap() {
            let receipt = entry["ReceiptHandle"].as_str().unwrap().to_owned();
            let seconds = entry["VisibilityTimeout"].as_u64().unwrap();
            noted.lock().unwrap().insert(receipt, seconds);
        }
    };
    stage.stack.sqs().inject(Fault {
        operation: "ChangeMessageVisibilityBatch".to_owned(),
        containing: None,
        times: u32::MAX,
        kind: FaultKind::AfterApply(Box::new(hook)),
    });
    delays
}

#[tokio::test]
async fn out_of_time_what_runs_waits_for_its_lease_what_waits_starts_at_once_and_what_is_done_is_done() {
    let batch = [("BatchSize", "20"), ("BatchWindow", "1")];
    let stage = stage::set("claiming", &batch).await;
    let done = stage.send("work", &script(["done"])).await;
    let mut hanging = Vec::new();
    for _ in 0..HANGING {
        hanging.push(stage.send("work", &script(["hang", "done"])).await);
    }
    let delays = watch_delays(&stage);
    stage.until("ten are cancelled", || !batches(&stage).is_empty()).await;
    let first_end = hanging.iter().filter(|message| !starts(&stage, message).is_empty());
    let first_end = first_end.map(|message| lease_end(&stage, message)).min().unwrap();
    stage.until_settled(&["work"]).await;

    for batch in batches(&stage) {
        assert_eq!(batch.whole_batch, None, "its answer came in time: {batch:?}");
    }
    assert_eq!(receives(&stage, &done), 1);
    let (cancelled, unstarted): (Vec<_>, Vec<_>) =
        hanging.iter().partition(|message| starts(&stage, message).len() == 2);
    assert_eq!((cancelled.len(), unstarted.len()), (10, HANGING - 10));
    for message in &cancelled {
        assert!(starts(&stage, message)[1] > first_end, "one lease after the other");
        assert_eq!(receives(&stage, message), 2, "one receive a lease");
    }
    for message in &unstarted {
        assert_eq!(receives(&stage, message), 2, "its key was free");
    }
    let delays = delays.lock().unwrap();
    let at_once = delays.values().filter(|seconds| **seconds == 0).count();
    assert_eq!((delays.len(), at_once), (HANGING, unstarted.len()), "{delays:?}");
}

#[tokio::test]
async fn a_handlers_own_time_ends_before_the_batchs_and_costs_its_message_alone() {
    let stage = stage::set("hurried", &[("FunctionTimeout", "60")]).await;
    let messages = [("m-1", script(["hang"])), ("m-2", script(["done"]))];
    let invocation = stage.invoke_with("scripted", event("work", &messages)).await;
    assert_eq!(failures(&invocation), ["m-1"]);
    assert!(
        invocation.duration < Duration::from_secs(40),
        "{:?}",
        invocation.duration
    );
    assert!(stage.is_completed("scripted", "m-2"));
    // Its effects may have happened: nobody else may start before.
    assert!(lease_end(&stage, "m-1") > starts(&stage, "m-1")[0] + 40_000);
}

#[tokio::test]
async fn whose_time_was_up_is_told_when_a_handler_is_cancelled() {
    for (handler, parameters, whose) in [
        ("hurried", &[][..], "after its TIMEOUT of 5s"),
        ("claiming", &[("FunctionTimeout", "10")], "at the deadline"),
    ] {
        let stage = stage::set(handler, parameters).await;
        let invocation = stage
            .invoke_with("scripted", event("work", &[("m-1", script(["hang"]))]))
            .await;
        assert_eq!(failures(&invocation), ["m-1"]);
        let said = format!("failed: the handler was cancelled {whose}");
        let is_said = || stage.log().iter().any(|line| line.contains(&said));
        stage.until("the log says so", is_said).await;
    }
}
