//! A collector of OTLP over HTTP on loopback.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

pub(crate) struct Collector {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    /// Answers each request with this status.
    pub(crate) async fn start(status: StatusCode) -> Self {
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let received = Arc::clone(&requests);
        let export = async move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            received.lock().unwrap().push(request);
            status
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(export));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, requests }
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The names of the services that spans came from.
    pub(crate) fn services(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let services = resources.map(|spans| text(&spans.resource.as_ref().unwrap().attributes, "service.name"));
        services.map(Option::unwrap).collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The only span of this name.
    pub(crate) fn span(&self, name: &str) -> Span {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        let count = spans.len();
        assert_eq!(count, 1, "{name}");
        spans.remove(0)
    }
}

/// The value of an attribute, if it is a text.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match &attribute.value {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(text.clone()),
        other => panic!("{key}: {other:?}"),
    }
}

/// The trace ID and the span ID as a `traceparent` states them, for a sampled span.
pub(crate) fn traceparent(span: &Span) -> String {
    format!("00-{}-{}-01", hexadecimal(&span.trace_id), hexadecimal(&span.span_id))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
