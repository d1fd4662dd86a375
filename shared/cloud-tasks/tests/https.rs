//! Requests over TLS, which carry an access token. A process loads the authorities that it trusts once, from its environment: the
//! requests are made in a process of their own.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode};
use axum::serve::Listener;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cloud_tasks::CloudTasks;
use consumer::{QueueMessage, Queues};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const API: &str = "HTTPS_TEST_API";
const METADATA: &str = "HTTPS_TEST_METADATA";

struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (client, address) = self.0.accept().await.unwrap();
            if let Ok(client) = self.1.accept(client).await {
                return (client, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A listener for localhost, and the PEM file of the authority to trust.
async fn tls() -> (Tls, PathBuf) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cloud-tasks-https.pem");
    let content = BASE64_STANDARD.encode(certified.cert.der());
    let text = format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n");
    std::fs::write(&file, text).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (Tls(listener, TlsAcceptor::from(Arc::new(config))), file)
}

/// A metadata server that gives another token at each request.
async fn metadata() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let given = Arc::new(Mutex::new(0));
    let reply = async move || {
        let mut given = given.lock().unwrap();
        *given += 1;
        format!("{{\"access_token\": \"token-{given}\", \"expires_in\": 3600}}")
    };
    let router = axum::Router::new().fallback(reply);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// What the process of its own does: the API refuses the first token.
async fn send(api: &str) {
    let queues = CloudTasks::new().with_metadata_server(env::var(METADATA).unwrap());
    let queue = format!("{api}/v2/projects/p/locations/l/queues/q?target=https%3A%2F%2Fa.example");
    let message = QueueMessage {
        body: "{}".to_owned(),
        attributes: [].into(),
        group: None,
        deduplication_id: None,
        trace_header: None,
    };
    let messages = [message];
    let error = queues.send(&queue, &messages).await.unwrap_err();
    assert_eq!(error.unsent, [0], "{error:?}");
    queues.send(&queue, &messages).await.unwrap();
    queues.send(&queue, &messages).await.unwrap();
}

#[tokio::test]
async fn requests_over_tls_carry_an_access_token_that_the_api_accepts() {
    if let Ok(api) = env::var(API) {
        return send(&api).await;
    }
    let (listener, authority) = tls().await;
    let api = format!("https://{}", listener.local_addr().unwrap());
    let received: Arc<Mutex<Vec<String>>> = Arc::default();
    let shared = Arc::clone(&received);
    let reply = async move |headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        let refused = token == "Bearer token-1";
        shared.lock().unwrap().push(token);
        match refused {
            true => (
                StatusCode::UNAUTHORIZED,
                "{\"error\": {\"status\": \"UNAUTHENTICATED\"}}",
            ),
            false => (
                StatusCode::OK,
                "{\"name\": \"projects/p/locations/l/queues/q/tasks/1\"}",
            ),
        }
    };
    let router = axum::Router::new().fallback(reply);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sent = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "requests_over_tls_carry_an_access_token_that_the_api_accepts",
        ])
        .env(API, api)
        .env(METADATA, metadata().await)
        .env("SSL_CERT_FILE", authority)
        .output()
        .await
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
    let received = received.lock().unwrap().clone();
    assert_eq!(received, ["Bearer token-1", "Bearer token-2", "Bearer token-2"]);
}
