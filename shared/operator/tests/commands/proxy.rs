//! A proxy in front of the stack's SQS that injects a fault at a chosen request.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use emulator::sqs::Sqs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Done, Harness, done, operator};
use crate::rejecting::reject;

/// What happens at the chosen request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Injection {
    /// The request is not processed, and the program is killed.
    KilledBefore,
    /// The request is processed, and the program is killed before it gets the reply.
    KilledAfter,
    /// The request is processed, and the program is interrupted as by Ctrl-C.
    Interrupted,
    /// The request is refused.
    Refused,
    /// This request and those before it are processed, and place-order at once rejects what they sent, under this key or its
    /// own.
    Rejected(Option<&'static str>),
    /// This request and those before it are processed, and SQS moves what they sent.
    Moved,
}

/// The process to signal. Locked while it starts, so that no request arrives before its ID is known.
pub(crate) type ProcessId = Arc<Mutex<Option<Pid>>>;

/// Runs the program with this endpoint for SQS, and waits for its end.
pub(crate) async fn run(harness: &Harness, sqs: &str, process: &ProcessId, arguments: &[&str]) -> Done {
    let mut operator = operator(arguments);
    operator.env("AWS_ENDPOINT_URL", harness.stack.endpoint());
    operator.env("AWS_ENDPOINT_URL_SQS", sqs);
    let child = {
        let mut process = process.lock().unwrap();
        let child = operator.spawn().unwrap();
        *process = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        child
    };
    done(child).await
}

/// Runs the program, and injects the fault at the `nth` request, from 1, for this operation of SQS.
pub(crate) async fn run_with(
    harness: &Harness,
    operation: &'static str,
    nth: u32,
    injection: Injection,
    arguments: &[&str],
) -> Done {
    let process = ProcessId::default();
    let (sqs, at) = (Arc::clone(harness.stack.sqs()), Arc::clone(&process));
    let left = Arc::new(Mutex::new(nth));
    let serve = move |headers: HeaderMap, body: Bytes| async move {
        let requested = headers["x-amz-target"]
            .to_str()
            .unwrap()
            .rsplit('.')
            .next()
            .unwrap()
            .to_owned();
        let now = requested == operation && {
            let mut left = left.lock().unwrap();
            let all = matches!(injection, Injection::Rejected(_) | Injection::Moved);
            let now = *left == 1 || (all && *left > 0);
            *left = left.saturating_sub(1);
            now
        };
        serve(&sqs, &requested, &body, now.then_some(injection), &at).await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(serve);
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let done = run(harness, &endpoint, &process, arguments).await;
    server.abort();
    done
}

async fn serve(sqs: &Sqs, operation: &str, body: &[u8], injection: Option<Injection>, process: &ProcessId) -> Response {
    let request: Value = serde_json::from_slice(body).unwrap();
    match injection {
        Some(Injection::KilledBefore) => {
            signal(process, Signal::KILL);
            std::future::pending().await
        }
        Some(Injection::Refused) => {
            let refusal = r#"{"__type": "com.amazonaws.sqs#OverLimit", "message": "refused by the test"}"#;
            return (StatusCode::BAD_REQUEST, refusal).into_response();
        }
        _ => {}
    }
    let answer = sqs.call(operation, request.clone()).await.unwrap();
    match injection {
        Some(Injection::KilledAfter) => {
            signal(process, Signal::KILL);
            std::future::pending().await
        }
        Some(Injection::Interrupted) => signal(process, Signal::INT),
        Some(Injection::Rejected(key)) => reject(sqs, &request, &answer, key).await,
        Some(Injection::Moved) => {
            for _ in 0..2 {
                let receive = json!({"QueueUrl": request["QueueUrl"], "VisibilityTimeout": 0});
                sqs.call("ReceiveMessage", receive).await.unwrap();
            }
        }
        _ => {}
    }
    answer.to_string().into_response()
}

pub(crate) fn signal(process: &ProcessId, signal: Signal) {
    kill_process(process.lock().unwrap().unwrap(), signal).unwrap();
}
