//! The server, over connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bench::{Bench, Options, request, script};
use super::callers::known;
use crate::answer::Platform;
use crate::server::{metrics_router, serve};

async fn start(bench: &Bench) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve(listener, Arc::clone(&bench.push), Duration::from_secs(5));
    (address, tokio::spawn(serving))
}

/// The bytes of a message.
async fn message(id: &str, millis: u64) -> String {
    let body = request(Platform::PubSub, id, 1, &script(millis, &["done"])).into_body();
    let body = to_bytes(body, 10_000).await.unwrap();
    let length = body.len();
    let body = str::from_utf8(&body).unwrap();
    format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The next answer's status line, of answers without a body.
async fn answer(connection: &mut TcpStream) -> String {
    let mut read = String::new();
    while !read.ends_with("\r\n\r\n") {
        let byte = connection.read_u8().await.unwrap();
        read.push(byte.into());
    }
    read.lines().next().unwrap().to_owned()
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_connection_carries_several_messages() {
    let bench = Bench::new(Platform::PubSub);
    let (address, serving) = start(&bench).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    for id in ["m-1", "m-2", "m-1"] {
        connection.write_all(message(id, 1).await.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut connection).await, "HTTP/1.1 204 No Content");
    }
    // A function may have such a name.
    let on_live = message("m-3", 1).await.replacen("POST / ", "POST /live ", 1);
    connection.write_all(on_live.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut connection).await, "HTTP/1.1 204 No Content");
    assert_eq!(bench.ended(), ["m-1", "m-2", "m-3"]);
    assert!(get(address, "/live").await.ends_with("live\n"));
    assert!(get(address, "/ready").await.ends_with("ready\n"));
    assert!(
        get(address, "/metrics").await.starts_with("HTTP/1.1 405"),
        "they have an address of their own"
    );
    bench.push.stopping.cancel();
    // An idle connection does not hold up the end.
    serving.await.unwrap();
}

#[tokio::test]
async fn a_message_in_process_at_the_stop_is_answered() {
    let bench = Bench::new(Platform::PubSub);
    let (address, serving) = start(&bench).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection
        .write_all(message("m-1", 300).await.as_bytes())
        .await
        .unwrap();
    while bench.begun() == 0 {
        tokio::task::yield_now().await;
    }
    bench.push.stopping.cancel();
    let ready = get(address, "/ready").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.ends_with("the process stops\n"),
        "{ready}"
    );
    assert_eq!(answer(&mut connection).await, "HTTP/1.1 204 No Content");
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_only() {
    let bench = Bench::new(Platform::PubSub);
    let (address, _serving) = start(&bench).await;
    let mut broken = TcpStream::connect(address).await.unwrap();
    broken.write_all(b"\x16\x03\x01\r\n\r\n").await.unwrap();
    let mut answered = Vec::new();
    broken.read_to_end(&mut answered).await.unwrap();
    assert!(answered.starts_with(b"HTTP/1.1 400"));
    assert!(get(address, "/live").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_caller_holds_no_connection() {
    let options = Options {
        access: known(),
        ..Options::of(Platform::PubSub)
    };
    let bench = options.start();
    let (address, _serving) = start(&bench).await;
    let known = message("m-1", 1)
        .await
        .replacen("\r\n", "\r\nauthorization: Bearer known\r\n", 1);
    let unknown = message("m-2", 1).await;
    let not_yet = known.replace("Bearer known", "Bearer later");
    for (sent, answered, seconds) in [
        ("P", "", 10),
        ("POST / HTTP/1.1\r\nhost: test\r\n", "", 10),
        (unknown.as_str(), "HTTP/1.1 401", 0),
        (not_yet.as_str(), "HTTP/1.1 500", 0),
        ("GET /live HTTP/1.1\r\nhost: test\r\n\r\n", "HTTP/1.1 200", 0),
        (known.as_str(), "HTTP/1.1 204", 620),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(sent.as_bytes()).await.unwrap();
        let (began, mut read) = (Instant::now(), String::new());
        connection.read_to_string(&mut read).await.unwrap();
        assert!(
            read.starts_with(answered) && (!answered.is_empty() || read.is_empty()),
            "{sent}: {read}"
        );
        assert_eq!(began.elapsed().as_secs(), seconds, "{sent}");
    }
}

#[tokio::test]
async fn metrics_are_served_apart() {
    let bench = Bench::new(Platform::PubSub);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = metrics_router(bench.metrics.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let metrics = get(address, "/metrics").await;
    assert!(metrics.contains("application/openmetrics-text") && metrics.contains("push_messages_in_flight"));
}
