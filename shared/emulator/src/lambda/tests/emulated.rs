//! A mapping from the emulated SQS to real processes: the two halves of the local stack together.

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Event, InvalidMapping, Mapping, run_mapping},
    queue::client,
    stack::{Gate, Stack},
};
use crate::sqs::Sqs;

/// A visibility timeout that ends in no test: however slow the machine, no message comes before [`Running::redeliver`].
const UNTIL_REDELIVERED: &str = "43200";

struct Running {
    stack: Stack,
    sqs: Arc<Sqs>,
    client: Client,
    endpoint: String,
    shutdown: CancellationToken,
    mappings: Vec<JoinHandle<Result<(), InvalidMapping>>>,
}

impl Running {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let sqs = Arc::new(Sqs::new(&endpoint, "eu-west-1"));
        let router = Router::new().route("/", post(serve)).with_state(Arc::clone(&sqs));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (client, shutdown) = (client(&endpoint).await, CancellationToken::new());
        Self {
            stack: Stack::new().await,
            sqs,
            client,
            endpoint,
            shutdown,
            mappings: Vec::new(),
        }
    }

    fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.endpoint)
    }

    async fn create(&self, queue: &str, attributes: &[(QueueAttributeName, &str)]) {
        let create = attributes
            .iter()
            .fold(self.client.create_queue().queue_name(queue), |create, (name, value)| {
                create.attributes(name.clone(), *value)
            });
        create.send().await.unwrap();
    }

    async fn send(&self, queue: &str, group: Option<&str>, body: &str) -> String {
        let deduplication = group.map(|_| body.len().to_string() + body);
        let deduplication = deduplication.map(|id| id.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
        let send = self.client.send_message().queue_url(self.url(queue)).message_body(body);
        let send = send
            .set_message_group_id(group.map(str::to_owned))
            .set_message_deduplication_id(deduplication);
        send.send().await.unwrap().message_id.unwrap()
    }

    fn map(&mut self, queue: &str, batch_size: u32) {
        let mapping = Mapping {
            function: "test".to_owned(),
            queue_url: self.url(queue),
            queue_arn: format!("arn:aws:sqs:eu-west-1:000000000000:{queue}"),
            batch_size,
            window: Duration::ZERO,
            maximum_concurrency: None,
            report_batch_item_failures: true,
        };
        let running = run_mapping(
            Arc::clone(&self.stack.lambda),
            self.client.clone(),
            mapping,
            self.shutdown.clone(),
        );
        self.mappings.push(tokio::spawn(running));
    }

    async fn finished(&mut self) -> (Vec<String>, Vec<String>) {
        let pick = |event| match event {
            Event::BatchFinished { messages, failed, .. } => Some((messages, failed)),
            _ => None,
        };
        self.stack.event(pick).await
    }

    /// Has failed messages redelivered now, and not when their visibility timeout ends.
    fn redeliver(&self, messages: &[String]) {
        self.sqs.make_visible("orders", messages);
    }

    fn left(&self, queue: &str) -> usize {
        self.sqs.peek(queue).len()
    }

    async fn end(self) {
        self.shutdown.cancel();
        for mapping in self.mappings {
            assert_eq!(mapping.await.unwrap(), Ok(()));
        }
        self.stack.lambda.shutdown().await;
    }
}

async fn serve(State(sqs): State<Arc<Sqs>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix("AmazonSQS.").unwrap();
    match sqs.call(operation, serde_json::from_slice(&body).unwrap()).await {
        Ok(answer) => answer.to_string().into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.body().to_string()).into_response(),
    }
}

#[tokio::test]
async fn a_failed_message_is_redelivered_until_it_is_moved() {
    let mut running = Running::new().await;
    running.create("dead", &[]).await;
    let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:dead","maxReceiveCount":"2"}"#;
    let attributes = [
        (QueueAttributeName::RedrivePolicy, redrive),
        (QueueAttributeName::VisibilityTimeout, UNTIL_REDELIVERED),
    ];
    running.create("orders", &attributes).await;
    let well = running.send("orders", None, "well").await;
    let bad = running.send("orders", None, "fail").await;
    running.map("orders", 10);

    let mut deliveries = Vec::new();
    while deliveries.iter().filter(|id| **id == bad).count() < 2 {
        let (messages, failed) = running.finished().await;
        assert_eq!(failed.contains(&bad), messages.contains(&bad));
        assert!(!failed.contains(&well));
        running.redeliver(&failed);
        deliveries.extend(messages);
    }
    assert_eq!(deliveries.iter().filter(|id| **id == well).count(), 1);
    // The third receive is the one that moves it.
    running.map("dead", 10);
    let (messages, failed) = running.finished().await;
    assert_eq!((messages.clone(), failed), (vec![bad.clone()], vec![bad]));
    assert_eq!(running.left("orders"), 0);
    running.end().await;
}

#[tokio::test]
async fn a_fifo_group_is_in_one_invocation_at_a_time() {
    let mut running = Running::new().await;
    let gate = Gate::new().await;
    running
        .create(
            "orders.fifo",
            &[
                (QueueAttributeName::FifoQueue, "true"),
                (QueueAttributeName::VisibilityTimeout, UNTIL_REDELIVERED),
            ],
        )
        .await;
    let held = running
        .send("orders.fifo", Some("one"), &gate.order().to_string())
        .await;
    let behind = running.send("orders.fifo", Some("one"), "behind").await;
    let aside = running.send("orders.fifo", Some("two"), "aside").await;
    running.map("orders.fifo", 1);

    let at_gate = gate.arrival().await;
    assert_eq!(running.finished().await.0, [aside]);
    assert_eq!(running.left("orders.fifo"), 2, "one is held, the other waits behind it");
    at_gate.release().await;
    assert_eq!(running.finished().await.0, [held]);
    assert_eq!(running.finished().await.0, [behind]);
    assert_eq!(running.left("orders.fifo"), 0);
    running.end().await;
}

#[tokio::test]
async fn a_message_whose_process_is_killed_comes_again() {
    let mut running = Running::new().await;
    let gate = Gate::new().await;
    running
        .create("orders", &[(QueueAttributeName::VisibilityTimeout, UNTIL_REDELIVERED)])
        .await;
    let id = running.send("orders", None, &gate.order().to_string()).await;
    running.map("orders", 10);

    let first = gate.arrival().await;
    assert_eq!(running.stack.lambda.kill("test"), 1);
    first.death().await;
    assert_eq!(running.finished().await, (vec![id.clone()], vec![id.clone()]));
    running.redeliver(std::slice::from_ref(&id));
    gate.arrival().await.release().await;
    assert_eq!(running.finished().await, (vec![id.clone()], vec![]));
    assert_eq!((running.sqs.deliveries(&id), running.left("orders")), (2, 0));
    running.end().await;
}
