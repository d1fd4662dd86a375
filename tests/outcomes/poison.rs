//! One permanent failure among a thousand messages.

use std::sync::{Arc, Mutex};

use emulator::ApiError;
use emulator::dynamodb::{FaultKind, written};
use scripted::Action;
use serde_json::Value;
use testing::TestStack;

use crate::stack::{self, receives, script, send_in_order};

const GROUPS: usize = 20;
const MESSAGES: usize = 50;

/// IDs of the completed messages, in the order of their records.
fn watch(stack: &TestStack) -> Arc<Mutex<Vec<String>>> {
    let done = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&done);
    for operation in ["PutItem", "BatchExecuteStatement"] {
        let recorded = Arc::clone(&recorded);
        let hook = move |request: &Value, answer: &Result<Value, ApiError>| {
            let Ok(answer) = answer else { return };
            for (position, item) in written(request).iter().enumerate() {
                if answer["Responses"][position]["Error"].is_null() {
                    let record = item["id"]["S"].as_str().unwrap();
                    let message = record.strip_prefix("scripted#").unwrap();
                    recorded.lock().unwrap().push(message.to_owned());
                }
            }
        };
        let hook = FaultKind::AfterApply(Box::new(hook));
        stack.inject(operation, Some("COMPLETED"), u32::MAX, hook);
    }
    done
}

#[tokio::test]
async fn poison_message_delays_none_of_a_thousand_others() {
    // A retry, or a wait for one, would outlast the test: no group waited.
    let parameters = [("RetryDelay", "600"), ("LongestRetryDelay", "600")];
    let stack = stack::start("one-step", &parameters).await;
    let done = watch(&stack);
    let mut groups = vec![Vec::new(); GROUPS];
    let mut poison = String::new();
    for number in 0..MESSAGES {
        for (group, messages) in groups.iter_mut().enumerate() {
            let name = format!("group-{group:02}");
            if (group, number) == (0, MESSAGES / 3) {
                poison = send_in_order(&stack, &name, "poison", &script([Action::Permanent])).await;
            }
            messages.push(send_in_order(&stack, &name, &format!("{group}-{number}"), &script([Action::Done])).await);
        }
    }
    while !stack.is_settled(&["work.fifo"]) {
        // A slow machine may take long, but must make progress.
        let so_far = done.lock().unwrap().len();
        let progress = || done.lock().unwrap().len() > so_far || stack.is_settled(&["work.fifo"]);
        stack.until("another is done", progress).await;
    }

    let dead_letters = stack.stack.sqs().peek("work-dlq.fifo");
    assert_eq!(stack::original_ids(&dead_letters), [poison.as_str()]);
    assert!(
        groups.iter().flatten().all(|message| receives(&stack, message) == 1),
        "no message was returned to the queue, not even behind the poison"
    );
    let done = done.lock().unwrap();
    for messages in &groups {
        let of_group: Vec<_> = done.iter().filter(|message| messages.contains(message)).collect();
        assert_eq!(
            of_group,
            messages.iter().collect::<Vec<_>>(),
            "in the order they were sent"
        );
    }
}
