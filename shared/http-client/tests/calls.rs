//! Calls of a service on this machine.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::time::Duration;

use consumer::Failure;
use http::Method;
use http_client::HttpClient;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A service that gives each connection this answer, and passes on what it got.
async fn service(answer: impl Into<Vec<u8>>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::unbounded_channel();
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) && connection.read_buf(&mut request).await.unwrap() > 0 {}
            sender.send(String::from_utf8(request).unwrap()).unwrap();
            connection.write_all(&answer).await.unwrap();
        }
    });
    (address, receiver)
}

/// The bodies of these tests end with `}`; a request without a body ends with an empty line.
fn is_whole(request: &[u8]) -> bool {
    let has_body = String::from_utf8_lossy(request)
        .to_lowercase()
        .contains("content-length: ");
    request.ends_with(if has_body { b"}" } else { b"\r\n\r\n" })
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn at(address: &str) -> HttpClient {
    HttpClient::new(&format!("http://ada:secret@{address}/v1?secret=1")).unwrap()
}

#[derive(Debug, Deserialize, PartialEq)]
struct Charged {
    id: String,
}

#[tokio::test]
async fn request_has_path_headers_and_json_and_the_answer_is_decoded() {
    let (address, mut requests) = service(ok(r#"{"id":"ch-1"}"#)).await;
    let client = at(&address);
    let call = client.request(Method::PUT, "charges/1").header("x-tenant", "t-1");
    let answer = call.json(&json!({ "amount": 7 })).send().await.unwrap();
    let id = "ch-1".to_owned();
    assert_eq!(answer.json::<Charged>().unwrap(), Charged { id });
    let request = requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("PUT /v1/charges/1?secret=1 HTTP/1.1"));
    let lines: Vec<_> = lines.collect();
    for line in [
        "content-type: application/json",
        "x-tenant: t-1",
        "authorization: Basic YWRhOnNlY3JldA==",
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:?}");
    }
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "amount": 7 }));
}

#[tokio::test]
async fn status_is_a_failure_unless_the_caller_decides() {
    let (address, _requests) = service("HTTP/1.1 402 Payment Required\r\ncontent-length: 0\r\n\r\n").await;
    let client = at(&address);
    let failure = client.post().send().await.unwrap_err();
    assert_eq!(failure.to_string(), format!("{address} answered 402 Payment Required"));
    assert!(!failure.is_permanent());
    let answer = client.post().answer().await.unwrap();
    assert_eq!(answer.status().as_u16(), 402);
}

#[tokio::test]
async fn silent_service_is_named_with_the_time_it_had() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = at(&address).with_timeout(Duration::from_millis(20));
    let failure = client.post().send().await.unwrap_err();
    assert_eq!(failure.to_string(), format!("{address} did not answer within 20ms"));
    assert!(!failure.is_permanent());
}

/// The request took effect: only a handler that needs the body fails.
#[tokio::test]
async fn unreadable_body_fails_only_if_it_is_needed() {
    let cut_off = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n110000\r\n";
    let too_long = format!("{chunks}{}\r\n0\r\n\r\n", " ".repeat(0x11_0000));
    for (answer, problem) in [
        (cut_off.to_owned(), "was cut off, or has more than 1 MiB"),
        (too_long, "was cut off, or has more than 1 MiB"),
        (ok("<html>secret</html>"), "is not JSON (line 1, column 1)"),
        (
            ok(r#"{"secret":1}"#),
            "has another form than expected (line 1, column 12)",
        ),
    ] {
        let (address, _requests) = service(answer).await;
        let answer = at(&address).post().send().await.unwrap();
        let failure = answer.json::<Charged>().unwrap_err();
        let expected = format!("the body of {address}'s answer, 200 OK, {problem}");
        assert_eq!((failure.to_string(), failure.is_permanent()), (expected, false));
    }
}

/// A header may be a setting: a token that was rotated and ends with a line break must not dead-letter every message.
#[tokio::test]
async fn invalid_request_is_permanent_unless_a_header_is_wrong() {
    let client = at("127.0.0.1:1");
    let body = std::collections::BTreeMap::from([((1, 2), 3)]);
    for (call, is_permanent, problem) in [
        (
            client.post().header("a b", "secret"),
            false,
            "\"a b\" can't be a header's name",
        ),
        (
            client.post().header("authorization", "Bearer secret\n"),
            false,
            "the value of header authorization has characters that no header may have",
        ),
        (
            client.request(Method::GET, "secret secret"),
            true,
            "its path has characters that a URL can't have: percent-encode them",
        ),
        (
            client.post().json(&body),
            true,
            "the body can't be written as JSON: key must be a string",
        ),
    ] {
        let failure: Failure = call.send().await.unwrap_err();
        let expected = format!("the request to 127.0.0.1:1 can't be sent: {problem}");
        assert_eq!((failure.to_string(), failure.is_permanent()), (expected, is_permanent));
    }
}

#[test]
fn client_and_calls_show_no_secret() {
    let client = at("127.0.0.1:1");
    let call = client.post().header("x-token", "s3cret");
    let shown = format!("{client:?} {call:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("YWRhOnNl"), "{shown}");
}
