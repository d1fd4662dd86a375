//! A receive from a queue with few visible messages, and from one with many.

use std::time::{Duration, Instant};

use cli::say;
use emulator::sqs::Sqs;
use serde_json::json;

use crate::Failed;

/// Few visible messages, to compare with.
const FEW: u32 = 1000;

/// Receives that are measured, of ten messages each.
const RECEIVES: u32 = 50;

/// A receive that read all messages would take a thousand times as long with a million.
const LARGEST_RATIO: f64 = 10.0;

/// Whether a receive from a queue with so many messages takes about as long as one from a queue with few.
pub(crate) async fn receive(visible: u32) -> Result<bool, Failed> {
    say!("\na receive of ten messages:");
    let mut slow = Vec::new();
    for queue in ["jobs", "jobs.fifo"] {
        let few = measure(queue, FEW).await?;
        let many = measure(queue, visible).await?;
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        say!("{queue:9}  {few:8.1?} with {FEW} visible, {many:8.1?} with {visible}: ratio {ratio:.1}");
        slow.push(ratio > LARGEST_RATIO);
    }
    Ok(!slow.contains(&true))
}

async fn measure(queue: &str, visible: u32) -> Result<Duration, Failed> {
    let sqs = Sqs::new("http://127.0.0.1:1", "us-east-1");
    let fifo = queue.ends_with(".fifo");
    let attributes = if fifo {
        json!({ "FifoQueue": "true" })
    } else {
        json!({})
    };
    call(
        &sqs,
        "CreateQueue",
        json!({ "QueueName": queue, "Attributes": attributes }),
    )
    .await?;
    for number in 0..visible {
        let mut message = json!({ "QueueUrl": queue, "MessageBody": "work" });
        if fifo {
            message["MessageGroupId"] = (number % 100_000).to_string().into();
            message["MessageDeduplicationId"] = number.to_string().into();
        }
        call(&sqs, "SendMessage", message).await?;
    }
    let begun = Instant::now();
    for _ in 0..RECEIVES {
        let request = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10 });
        let received = call(&sqs, "ReceiveMessage", request).await?;
        if received["Messages"]
            .as_array()
            .is_none_or(|messages| messages.len() != 10)
        {
            return Err(format!("{queue} has too few messages").into());
        }
    }
    Ok(begun.elapsed() / RECEIVES)
}

async fn call(sqs: &Sqs, operation: &str, request: serde_json::Value) -> Result<serde_json::Value, Failed> {
    let answer = sqs.call(operation, request).await;
    answer.map_err(|error| format!("{operation}: {error:?}").into())
}
