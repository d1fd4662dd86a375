//! A message that can never be worked, among a thousand that can.

use std::sync::{Arc, Mutex};

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::TestStack;

use crate::stage::{self, receives, script, send_in_order};

const GROUPS: usize = 20;
const MESSAGES: usize = 50;

/// IDs of the messages whose work was recorded as done, in that order.
fn watch(stage: &TestStack) -> Arc<Mutex<Vec<String>>> {
    let done = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&done);
    let hook = move |request: &Value, answer: &Result<Value, ApiError>| {
        if answer.is_ok() {
            let record = request["Item"]["id"]["S"].as_str().unwrap();
            noted
                .lock()
                .unwrap()
                .push(record.strip_prefix("scripted#").unwrap().to_owned());
        }
    };
    stage.inject(
        "PutItem",
        Some("COMPLETED"),
        u32::MAX,
        FaultKind::AfterApply(Box::new(hook)),
    );
    done
}

#[tokio::test]
async fn a_poison_message_among_a_thousand_in_twenty_groups_delays_nobody() {
    // A retry, or waiting for one, would last longer than everything else.
    let parameters = [("RetryDelay", "600"), ("LongestRetryDelay", "600")];
    let stage = stage::set("one-step", &parameters).await;
    let done = watch(&stage);
    let mut groups = vec![Vec::new(); GROUPS];
    let mut poison = String::new();
    for number in 0..MESSAGES {
        for (group, messages) in groups.iter_mut().enumerate() {
            let name = format!("group-{group:02}");
            if (group, number) == (0, MESSAGES / 3) {
                poison = send_in_order(&stage, &name, "poison", &script(["permanent"])).await;
            }
            messages.push(send_in_order(&stage, &name, &format!("{group}-{number}"), &script(["done"])).await);
        }
    }
    while !stage.is_settled(&["work.fifo"]) {
        // However slow the machine, something has to happen.
        let so_far = done.lock().unwrap().len();
        let goes_on = || done.lock().unwrap().len() > so_far || stage.is_settled(&["work.fifo"]);
        stage.until("another is done", goes_on).await;
    }

    let letters = stage.stack.sqs().peek("work-dlq.fifo");
    assert_eq!(stage::original_ids(&letters), [&poison]);
    assert!(
        groups.iter().flatten().all(|message| receives(&stage, message) == 1),
        "none was sent back to wait, not even behind the poison"
    );
    let done = done.lock().unwrap();
    let mut ends = Vec::new();
    for messages in &groups {
        let of_group: Vec<_> = done.iter().filter(|message| messages.contains(message)).collect();
        assert_eq!(
            of_group,
            messages.iter().collect::<Vec<_>>(),
            "in the order they were sent"
        );
        ends.push(done.iter().rposition(|message| messages.contains(message)).unwrap());
    }
    let behind_the_poison = done
        .iter()
        .position(|message| *message == groups[0][MESSAGES / 3])
        .unwrap();
    assert!(
        ends[1..].iter().all(|end| behind_the_poison < *end),
        "its group went on while all others were at work, and did not wait for them to end: {behind_the_poison} {ends:?}"
    );
}
