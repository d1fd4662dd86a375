//! A queue that follows a script: a test sets what a receive gets, and reads what was deleted.

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::{
    Client,
    config::{Region, retry::RetryConfig},
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{
        Mutex as AsyncMutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
};

pub(super) const ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:orders";
pub(super) const FIFO_ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:orders.fifo";

pub(super) struct ScriptedQueue {
    pub(super) client: Client,
    pub(super) url: String,
    replies: UnboundedSender<Reply>,
    requests: Arc<Requests>,
}

enum Reply {
    Messages(Vec<Value>),
    Error,
}

/// The requests to the queue.
#[derive(Default)]
struct Requests {
    receives: Mutex<Vec<Value>>,
    deleted: Mutex<Vec<String>>,
    refused_deletions: Mutex<u32>,
}

type Script = (Arc<Requests>, Arc<AsyncMutex<UnboundedReceiver<Reply>>>);

impl ScriptedQueue {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (replies, script) = unbounded_channel();
        let requests = Arc::new(Requests::default());
        let state: Script = (Arc::clone(&requests), Arc::new(AsyncMutex::new(script)));
        let router = Router::new().route("/", post(serve)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let url = format!("{endpoint}/000000000000/orders");
        Self {
            client: client(&endpoint).await,
            url,
            replies,
            requests,
        }
    }

    /// Lets one receive have these messages: `(ID, body)`.
    pub(super) fn deliver(&self, messages: &[(&str, &str)]) {
        let messages = messages.iter().map(|(id, body)| {
            json!({ "MessageId": id, "ReceiptHandle": format!("receipt of {id}"), "Body": body, "MD5OfBody": "" })
        });
        assert!(self.replies.send(Reply::Messages(messages.collect())).is_ok());
    }

    /// Lets one receive fail.
    pub(super) fn fail_receive(&self) {
        assert!(self.replies.send(Reply::Error).is_ok());
    }

    pub(super) fn refuse_deletions(&self, count: u32) {
        *self.requests.refused_deletions.lock().unwrap() = count;
    }

    /// The receipts deleted so far, sorted.
    pub(super) fn deleted(&self) -> Vec<String> {
        let mut deleted = self.requests.deleted.lock().unwrap().clone();
        deleted.sort();
        deleted
    }

    /// The requests to receive so far.
    pub(super) fn receives(&self) -> Vec<Value> {
        self.requests.receives.lock().unwrap().clone()
    }
}

/// A client that reports an error at once, so that tests see the mapping's own patience.
pub(super) async fn client(endpoint: &str) -> Client {
    let client = local::sqs_client(endpoint).await;
    let config = client
        .config()
        .to_builder()
        .region(Region::new("eu-west-1"))
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

async fn serve(State((requests, script)): State<Script>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    match headers["x-amz-target"].to_str().unwrap() {
        "AmazonSQS.ReceiveMessage" => {
            requests.receives.lock().unwrap().push(request);
            // No reply in the script is a long poll without end.
            match script.lock().await.recv().await {
                Some(Reply::Messages(messages)) => json!({ "Messages": messages }).to_string().into_response(),
                _ => error("AWS.SimpleQueueService.RequestThrottled"),
            }
        }
        "AmazonSQS.DeleteMessageBatch" => {
            {
                let mut refused = requests.refused_deletions.lock().unwrap();
                if *refused > 0 {
                    *refused -= 1;
                    return error("InternalError");
                }
            }
            let entries = request["Entries"].as_array().unwrap();
            assert!(entries.len() <= 10);
            requests.deleted.lock().unwrap().extend(
                entries
                    .iter()
                    .map(|entry| entry["ReceiptHandle"].as_str().unwrap().to_owned()),
            );
            let successful: Vec<_> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
            json!({ "Successful": successful, "Failed": [] })
                .to_string()
                .into_response()
        }
        other => panic!("unexpected request: {other}"),
    }
}

fn error(code: &str) -> Response {
    let body = json!({ "__type": code, "message": "as scripted" }).to_string();
    (StatusCode::BAD_REQUEST, body).into_response()
}
