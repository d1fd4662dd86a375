//! A message on its way from a client to the queue behind the handler.

use std::sync::Arc;

use axum::http::StatusCode;
use consumer::{
    Delivery, Failure, Handler, Incoming, Limits, MemoryQueues, MemorySource, MessageId, QueueError, QueueMessage,
    Queues, Services,
};
use idempotency::{Completion, MemoryStore, NoWrites, OutgoingMessage};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use producer::{Message, Producer};
use telemetry::{TracedQueues, Traces};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing_subscriber::layer::SubscriberExt;
use worker::{Queue, Worker};

use crate::collector::{Collector, hexadecimal, text, traceparent};

const QUEUE: &str = "https://sqs.example/1/orders";
const MAIL: &str = "mail";
const CLIENTS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENTS_SPAN: &str = "00f067aa0ba902b7";

/// Sends a mail for each order. A bad one fails for good.
struct SendMail {
    handled: UnboundedSender<Option<String>>,
}

impl Handler for SendMail {
    type Message = String;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "send-mail";

    async fn handle(&self, order: String, delivery: &Delivery) -> Result<Completion, Failure> {
        tracing::info_span!("compose").in_scope(|| tracing::info!("an event, which is not exported"));
        self.handled.send(delivery.traceparent().map(str::to_owned)).unwrap();
        match order.as_str() {
            "bad" => Err(Failure::permanent("it is bad")),
            _ => Ok(Completion::new().send(OutgoingMessage::new(MAIL, "mail").with_key("mail"))),
        }
    }
}

/// Queues that a test reads while a worker has them.
#[derive(Clone, Default)]
struct Shared(Arc<MemoryQueues>);

impl Queues for Shared {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        self.0.send(queue, messages).await
    }

    fn limits(&self, queue: &str) -> Limits {
        self.0.limits(queue)
    }
}

/// The message in the queue after a producer sent it.
async fn enqueued(message: Message) -> QueueMessage {
    let producer = Producer::new(TracedQueues::new("memory", MemoryQueues::new()), QUEUE);
    producer.send(message).await.unwrap();
    producer.queues().inner().sent(QUEUE).pop().unwrap()
}

/// Processes the message. Returns the trace that the handler saw, and what was sent to the queue behind.
async fn processed(message: QueueMessage) -> (Option<String>, Vec<QueueMessage>) {
    let (source, queues) = (MemorySource::new(), Shared::default());
    source.send(Incoming {
        attributes: message.attributes,
        ..Incoming::new(MessageId::new("m-1").unwrap(), message.body)
    });
    let services = Services::new(MemoryStore::new(), queues.clone()).with_dead_letter_queue("dead");
    let (handled, mut traces) = unbounded_channel();
    let worker = Worker::new().with_queue(Queue::new(SendMail { handled }, services, source));
    let mut seen = None;
    // The drain finishes the message.
    worker.run(async { seen = traces.recv().await }).await.unwrap();
    (seen.unwrap(), queues.0.sent(MAIL))
}

fn order(content: &str, flags: &str) -> Message {
    let trace = format!("00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-{flags}");
    Message::json("order-1", &content).unwrap().with_traceparent(&trace)
}

fn trace_of(message: &QueueMessage) -> Option<&str> {
    message.attributes.get("traceparent")?.string_value.as_deref()
}

#[tokio::test]
async fn one_trace_leads_from_client_to_outgoing_message() {
    let collector = Collector::start(StatusCode::OK).await;
    let traces = Traces::to(&collector.url).unwrap();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
    let in_queue = enqueued(order("tea", "01")).await;
    let (seen, outgoing) = processed(in_queue.clone()).await;
    traces.stop().await;
    drop(guard);

    let (send, process) = (collector.span("send orders"), collector.span("process memory"));
    assert_eq!(hexadecimal(&send.trace_id), CLIENTS_TRACE);
    assert_eq!(hexadecimal(&send.parent_span_id), CLIENTS_SPAN);
    assert_eq!(trace_of(&in_queue), Some(traceparent(&send).as_str()));
    assert_eq!(
        (&process.trace_id, &process.parent_span_id),
        (&send.trace_id, &send.span_id)
    );
    assert_eq!((send.kind(), process.kind()), (SpanKind::Producer, SpanKind::Consumer));
    assert_eq!(seen, Some(traceparent(&process)));
    assert_eq!(outgoing.iter().map(trace_of).collect::<Vec<_>>(), [seen.as_deref()]);
    let compose = collector.span("compose");
    assert_eq!(
        (&compose.trace_id, &compose.parent_span_id),
        (&process.trace_id, &process.span_id)
    );
    assert!(compose.events.is_empty(), "{compose:?}");
    assert_eq!(collector.spans().len(), 3);

    let value = |key| text(&process.attributes, key);
    assert_eq!(value("messaging.system").as_deref(), Some("memory"));
    assert_eq!(value("messaging.operation.type").as_deref(), Some("process"));
    assert_eq!(value("messaging.destination.name").as_deref(), Some("memory"));
    assert_eq!(value("messaging.message.id").as_deref(), Some("m-1"));
    assert_eq!((value("outcome").as_deref(), value("error.type")), (Some("done"), None));
    assert_eq!(
        text(&send.attributes, "messaging.destination.name").as_deref(),
        Some("orders")
    );
}

#[tokio::test]
async fn the_span_of_a_rejected_message_is_an_error() {
    let collector = Collector::start(StatusCode::OK).await;
    let traces = Traces::to(&collector.url).unwrap();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
    processed(enqueued(order("bad", "01")).await).await;
    traces.stop().await;
    drop(guard);
    let process = collector.span("process memory");
    assert_eq!(process.status.as_ref().unwrap().code(), SpanStatus::Error);
    let value = |key| text(&process.attributes, key);
    assert_eq!(
        (value("outcome"), value("error.type")),
        (Some("rejected".to_owned()), Some("rejected".to_owned()))
    );
}

/// The default sampler follows the decision of the client.
#[tokio::test]
async fn a_trace_that_is_not_sampled_is_passed_on_only() {
    let collector = Collector::start(StatusCode::OK).await;
    let traces = Traces::to(&collector.url).unwrap();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
    let (_, outgoing) = processed(enqueued(order("tea", "00")).await).await;
    traces.stop().await;
    drop(guard);
    let trace = outgoing.iter().find_map(trace_of).unwrap();
    assert!(trace.contains(CLIENTS_TRACE) && trace.ends_with("-00"), "{trace}");
    assert_eq!(collector.requests(), 0);
}

#[tokio::test]
async fn without_a_layer_the_clients_trace_is_passed_on() {
    let (seen, outgoing) = processed(enqueued(order("tea", "01")).await).await;
    let clients = format!("00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-01");
    assert_eq!(seen.as_deref(), Some(clients.as_str()));
    assert_eq!(
        outgoing.iter().map(trace_of).collect::<Vec<_>>(),
        [Some(clients.as_str())]
    );
}
