//! The clients of functions, against servers that hang, reply, or expect TLS.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{UserAgent, https_client, sdk_config};
use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials, SharedCredentialsProvider};
use aws_smithy_types::body::SdkBody;
use http::{Request, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Longer than any request takes here, however slow the machine: it ends only in virtual time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);

/// A server that counts its connections, and serves each in the same way.
struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start<F: Future<Output = ()> + Send + 'static>(serve: fn(TcpStream) -> F) -> Self {
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

/// Reads, and never replies.
async fn hang(mut client: BufReader<TcpStream>) {
    let mut ignored = vec![0; 4096];
    while client.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
}

/// Replies to each read, which is a whole request if that is small.
async fn reply(mut client: TcpStream) {
    let mut request = vec![0; 16 * 1024];
    while client.read(&mut request).await.is_ok_and(|length| length > 0) {
        let reply = b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 3\r\nretry-after: 7\r\n\r\nno.";
        client.write_all(reply).await.unwrap();
    }
}

/// Refuses a TLS handshake with an alert, and closes any other connection.
async fn refuse_tls(mut client: TcpStream) {
    const HANDSHAKE: u8 = 22;
    let mut kind = [0];
    client.read_exact(&mut kind).await.unwrap();
    if kind == [HANDSHAKE] {
        let handshake_failure = [21, 3, 3, 0, 2, 2, 40];
        client.write_all(&handshake_failure).await.unwrap();
    }
}

/// A client with the functions' configuration; region and credentials, which Lambda sets, are constants.
async fn dynamodb_at(address: &str) -> Client {
    Client::new(&config_at(address).await)
}

async fn config_at(address: &str) -> SdkConfig {
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let config = sdk_config(REQUEST_TIMEOUT).await.into_builder();
    let config = config
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.build()
}

/// Time passes only when a request hangs on each connection: the machine's speed does not count.
#[tokio::test]
async fn a_request_that_hangs_is_retried_on_other_connections() {
    static HANGING: Semaphore = Semaphore::const_new(0);
    let server = Server::start(|client| async {
        let mut request = BufReader::new(client);
        request.read_line(&mut String::new()).await.unwrap();
        HANGING.add_permits(1);
        hang(request).await;
    });
    let server = server.await;
    let client = dynamodb_at(&server.address).await;
    let request = tokio::spawn(async move { client.list_tables().send().await });
    for _ in 0..3 {
        HANGING.acquire().await.unwrap().forget();
        assert!(!request.is_finished(), "it waits for an answer");
        tokio::time::pause();
        tokio::time::advance(REQUEST_TIMEOUT).await;
        tokio::time::resume();
    }
    let error = request.await.unwrap().unwrap_err();
    assert!(
        matches!(error, aws_sdk_dynamodb::error::SdkError::TimeoutError(_)),
        "{error:?}"
    );
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn clones_of_a_client_share_its_connections() {
    let server = Server::start(reply).await;
    let client = dynamodb_at(&server.address).await;
    for client in [client.clone(), client] {
        let error = client.list_tables().send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 418);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_user_agent_of_the_sdk_is_one_header() {
    static REQUESTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let server = Server::start(|mut client| async move {
        let mut request = vec![0; 16 * 1024];
        let length = client.read(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request[..length]).to_lowercase();
        REQUESTS.lock().unwrap().push(text);
    });
    let config = config_at(&server.await.address).await;
    let client = Builder::from(&config).interceptor(UserAgent::default()).build();
    let _closed = Client::from_conf(client).list_tables().send().await.unwrap_err();
    for request in REQUESTS.lock().unwrap().iter() {
        let agents: Vec<_> = request.lines().filter(|line| line.contains("user-agent")).collect();
        assert_eq!(agents.len(), 1, "{request}");
        assert!(agents[0].starts_with("user-agent: aws-sdk-rust/"), "{agents:?}");
        assert!(agents[0].contains(" api/dynamodb/"), "{agents:?}");
    }
    assert_eq!(REQUESTS.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn an_http_url_is_requested_in_plain_text() {
    let server = Server::start(reply).await;
    let request = Request::post(format!("http://{}/path", server.address)).body(SdkBody::from("body"));
    let response = https_client().request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers()["retry-after"], "7");
}

#[tokio::test]
async fn an_https_url_is_requested_by_tls_only() {
    let server = Server::start(refuse_tls).await;
    let request = Request::get(format!("https://{}/", server.address)).body(SdkBody::empty());
    let error = https_client().request(request.unwrap()).await.unwrap_err();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    assert!(
        causes.iter().any(|cause| cause.contains("HandshakeFailure")),
        "{causes:?}"
    );
}
