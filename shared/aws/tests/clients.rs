//! The clients that functions get, against servers that hang, are busy, or speak TLS.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws::{https_client, sdk_config};
use aws_config::Region;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_types::body::SdkBody;
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Less than most invocations have.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that counts the connections it gets, and does the same with each.
struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn that<F: Future<Output = ()> + Send + 'static>(serve: fn(TcpStream) -> F) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(client));
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads, and says nothing.
async fn hang(mut client: TcpStream) {
    let mut ignored = vec![0; 4096];
    while client.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
}

/// Answers whatever it can read at once, which is a whole small request.
async fn answer(mut client: TcpStream) {
    let mut request = vec![0; 16 * 1024];
    while client.read(&mut request).await.is_ok_and(|length| length > 0) {
        let answer = b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 3\r\nretry-after: 7\r\n\r\nno.";
        client.write_all(answer).await.unwrap();
    }
}

/// Breaks off what is no TLS handshake; says so to what is one, by an alert.
async fn refuse_tls(mut client: TcpStream) {
    const HANDSHAKE: u8 = 22;
    let mut kind = [0];
    client.read_exact(&mut kind).await.unwrap();
    if kind == [HANDSHAKE] {
        let handshake_failure = [21, 3, 3, 0, 2, 2, 40];
        client.write_all(&handshake_failure).await.unwrap();
    }
}

/// The functions' configuration; what Lambda would set is stated.
async fn dynamodb_at(address: &str) -> Client {
    let nobody = Credentials::new("nobody", "nothing", None, None, "a test");
    let config = sdk_config(Duration::from_secs(1)).await.into_builder();
    let config = config
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(nobody));
    Client::new(&config.build())
}

#[tokio::test]
async fn a_request_to_a_server_that_hangs_is_tried_on_other_connections_and_then_given_up() {
    let server = Server::that(hang).await;
    let client = dynamodb_at(&server.address).await;
    let begun = Instant::now();
    let error = timeout(PATIENCE, client.list_tables().send())
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(error, aws_sdk_dynamodb::error::SdkError::TimeoutError(_)),
        "{error:?}"
    );
    assert_eq!(server.connections(), 3);
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn clones_of_a_client_share_its_connections() {
    let server = Server::that(answer).await;
    let client = dynamodb_at(&server.address).await;
    for client in [client.clone(), client] {
        let error = client.list_tables().send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 418);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_http_url_is_asked_in_plain_text_and_answered_as_it_is() {
    let server = Server::that(answer).await;
    let request = Request::post(format!("http://{}/path", server.address)).body(SdkBody::from("body"));
    let response = https_client().request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers()["retry-after"], "7");
}

#[tokio::test]
async fn an_https_url_is_asked_by_tls_and_never_in_plain_text() {
    let server = Server::that(refuse_tls).await;
    let request = Request::get(format!("https://{}/", server.address)).body(SdkBody::empty());
    let error = https_client().request(request.unwrap()).await.unwrap_err();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    assert!(
        causes.iter().any(|cause| cause.contains("HandshakeFailure")),
        "{causes:?}"
    );
}
