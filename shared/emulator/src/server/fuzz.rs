//! The property of requests, for any input. A test checks it on hostile inputs, and so does the fuzz target in `tests/fuzz`.

#![allow(clippy::expect_used, reason = "a property that does not hold is what a panic is for")]

use std::sync::OnceLock;

use axum::http::HeaderValue;
use serde_json::json;

use super::*;
use md5::{Digest, Md5};

/// A request a line: `X-Amz-Target`, or `-` for none, a space, and the body. Each is answered as AWS answers, with 200 or an
/// error of the caller that has a code and a message. A message whose sending is confirmed is in its queue as it was sent.
pub fn answers_every_request(input: &[u8]) {
    static DYNAMODB: OnceLock<Arc<DynamoDb>> = OnceLock::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime without I/O needs nothing").block_on(async {
        let dynamodb = DYNAMODB.get_or_init(|| Arc::new(DynamoDb::in_memory("eu-central-1").expect("it is in memory")));
        let services = Services {
            sqs: Arc::new(Sqs::new("http://127.0.0.1:4566", "eu-central-1")),
            dynamodb: Arc::clone(dynamodb),
            calls: Arc::default(),
        };
        for (name, attributes) in [("orders", json!({})), ("orders.fifo", json!({ "FifoQueue": "true" }))] {
            let queue = json!({ "QueueName": name, "Attributes": attributes });
            services.sqs.call("CreateQueue", queue).await.expect("a good request");
        }
        for line in input.split(|byte| *byte == b'\n').take(20) {
            let target = line.split(|byte| *byte == b' ').next().unwrap_or_default();
            // DynamoDB's requests are read by the crate that emulates it.
            if !target.starts_with(b"DynamoDB") {
                answers(&services, target, line.get(target.len() + 1..).unwrap_or_default()).await;
            }
        }
    });
}

async fn answers(services: &Services, target: &[u8], body: &[u8]) {
    let mut headers = HeaderMap::new();
    if let (false, Ok(target)) = (target == b"-", HeaderValue::from_bytes(target)) {
        headers.insert("x-amz-target", target);
    }
    let (state, uri) = (State(services.clone()), Uri::from_static("/"));
    let response = serve(state, uri, headers, Bytes::copy_from_slice(body)).await;
    let (head, answer) = response.into_parts();
    let answer = axum::body::to_bytes(answer, usize::MAX)
        .await
        .expect("no fault is injected");
    assert!(matches!(head.status.as_u16(), 200 | 400 | 404), "{}", head.status);
    let Ok(answer) = serde_json::from_slice::<Value>(&answer) else {
        assert!(answer.starts_with(b"<?xml"), "{}", answer.escape_ascii());
        return;
    };
    if head.status != StatusCode::OK {
        for member in ["__type", "message"] {
            let text = answer[member].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "no {member}: {answer}");
        }
    } else if target == b"AmazonSQS.SendMessage" {
        let request = serde_json::from_slice(body).unwrap_or_default();
        is_stored(&services.sqs, &request, &answer);
    }
}

fn is_stored(sqs: &Sqs, request: &Value, answer: &Value) {
    let (body, queue) = (request["MessageBody"].as_str(), request["QueueUrl"].as_str());
    let (body, queue) = (body.expect("it was accepted"), queue.expect("it was accepted"));
    assert_eq!(answer["MD5OfMessageBody"], hex::encode(Md5::digest(body)));
    // On a FIFO queue, it may be a copy of a message that was deleted since.
    if !queue.ends_with(".fifo") {
        let stored = sqs.peek(queue);
        let same = stored
            .iter()
            .find(|message| answer["MessageId"] == message.message_id.as_str());
        assert_eq!(same.map(|message| message.body.as_str()), Some(body));
    }
}

#[cfg(test)]
mod tests {
    use hostile::{check, files};

    use super::*;

    #[test]
    fn hostile_requests_are_answered() {
        check(&files(&["tests/fuzz/seeds/requests"]), 2_000, answers_every_request);
    }
}
