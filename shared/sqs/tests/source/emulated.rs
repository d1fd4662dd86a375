//! The emulated SQS, without a network between it and the client.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::{Body, to_bytes};
use consumer::{Incoming, MessageId, QueueMessage, Queues, Source, SourceFault, Verdict};
use emulator::Services;
use emulator::dynamodb::DynamoDb;
use emulator::sqs::{Fault, FaultKind, QueuedMessage, Sqs};
use serde_json::{Value, json};
use sqs::{SqsReceipt, SqsSource};
use tower_service::Service;

pub(crate) const REGION: &str = "eu-west-1";
const ENDPOINT: &str = "http://sqs.test";

pub(crate) struct Emulated {
    pub(crate) services: Services,
    pub(crate) client: Client,
}

/// A queue and its source.
pub(crate) struct Queue {
    pub(crate) emulated: Emulated,
    pub(crate) source: SqsSource,
    name: &'static str,
}

/// Passes requests to the emulator's routes.
#[derive(Debug, Clone)]
struct InProcess(Router);

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut router = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().unwrap();
            let request = request.map(|body| Body::from(body.bytes().unwrap().to_vec()));
            let response = router.call(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await;
            // A lost reply.
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            let response = http::Response::from_parts(parts, SdkBody::from(body.to_vec()));
            Ok(HttpResponse::try_from(response).unwrap())
        })
    }
}

impl Emulated {
    /// Its client gives up an attempt after one second, as that of a function.
    pub(crate) fn start() -> Self {
        let services = Services::new(Sqs::new(ENDPOINT, REGION), DynamoDb::in_memory(REGION).unwrap());
        let client = client(services.router());
        Self { services, client }
    }

    pub(crate) async fn create(&self, name: &str, attributes: Value) {
        let request = json!({"QueueName": name, "Attributes": attributes});
        self.services.sqs().call("CreateQueue", request).await.unwrap();
    }

    pub(crate) async fn open(&self, name: &str) -> Result<SqsSource, consumer::SourceError> {
        SqsSource::open(self.client.clone(), url(name)).await
    }
}

/// A client whose requests these routes answer.
pub(crate) fn client(router: Router) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(1));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(ENDPOINT)
        .http_client(InProcess(router))
        .timeout_config(timeouts.build());
    Client::from_conf(config.build())
}

pub(crate) fn url(name: &str) -> String {
    format!("{ENDPOINT}/000000000000/{name}")
}

impl Queue {
    pub(crate) async fn standard() -> Self {
        Self::start("orders", json!({})).await
    }

    pub(crate) async fn fifo() -> Self {
        Self::start("orders.fifo", json!({"FifoQueue": "true"})).await
    }

    pub(crate) async fn start(name: &'static str, attributes: Value) -> Self {
        let emulated = Emulated::start();
        emulated.create(name, attributes).await;
        let source = emulated.open(name).await.unwrap();
        Self { emulated, source, name }
    }

    pub(crate) fn sqs(&self) -> &Sqs {
        self.emulated.services.sqs()
    }

    pub(crate) fn messages(&self) -> Vec<QueuedMessage> {
        self.sqs().peek(self.name)
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.messages().into_iter().map(|message| message.body).collect()
    }

    /// Sends messages, and returns their IDs.
    pub(crate) async fn send(&self, messages: &[QueueMessage]) -> Vec<MessageId> {
        let before = self.messages().len();
        let queues = sqs::Sqs::new(self.emulated.client.clone());
        queues.send(&url(self.name), messages).await.unwrap();
        let sent = self.messages().into_iter().skip(before);
        sent.map(|message| MessageId::new(message.message_id).unwrap())
            .collect()
    }

    /// Sends messages whose group is their first character.
    pub(crate) async fn send_bodies(&self, bodies: &[&str]) -> Vec<MessageId> {
        let message = |body: &&str| QueueMessage {
            body: (*body).to_owned(),
            attributes: [].into(),
            group: Some(body[..1].to_owned()),
            deduplication_id: Some((*body).to_owned()),
            trace_header: None,
        };
        self.send(&bodies.iter().map(message).collect::<Vec<_>>()).await
    }

    pub(crate) async fn receive(&self) -> Vec<(Incoming, SqsReceipt)> {
        self.source.receive(10).await.unwrap()
    }

    pub(crate) async fn receipts(&self) -> Vec<SqsReceipt> {
        let received = self.receive().await.into_iter();
        received.map(|(_, receipt)| receipt).collect()
    }

    /// The fault of each message.
    pub(crate) async fn settle(&self, receipts: &[SqsReceipt], verdict: Verdict) -> Vec<Option<SourceFault>> {
        let messages = receipts.iter().map(|receipt| (receipt.clone(), verdict));
        let results = self.source.settle(&mut messages.collect::<Vec<_>>()).await;
        let results = results.into_iter();
        results.map(|result| result.err().map(|error| error.fault)).collect()
    }

    pub(crate) async fn extend(&self, receipt: &SqsReceipt, by: Duration) -> Result<(), SourceFault> {
        let mut results = self.source.extend(&mut [receipt.clone()], by).await;
        results.remove(0).map_err(|error| error.fault)
    }

    pub(crate) fn inject(&self, operation: &str, times: u32, kind: FaultKind) {
        self.sqs().inject(Fault {
            operation: operation.to_owned(),
            containing: None,
            times,
            kind,
        });
    }
}
