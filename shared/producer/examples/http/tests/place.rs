//! `POST /orders`.

use axum::body::{Body, Bytes};
use axum::http::Request;
use consumer::QueueFault;
use futures_util::stream;
use serde_json::{Value, json};

use super::harness::{ADA, BOB, Harness, QUEUE, order, post};

#[tokio::test(start_paused = true)]
async fn an_accepted_order_is_in_the_queue_with_its_key() {
    let harness = Harness::default();
    let mut request = post(ADA, "k-1", &order("o-1", "eve"));
    let (xray, w3c) = (
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    );
    request.headers_mut().insert("x-amzn-trace-id", xray.parse().unwrap());
    request.headers_mut().insert("traceparent", w3c.parse().unwrap());
    let accepted = harness.send(request).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.body, json!({"status": "pending"}));
    let location = accepted.header("location").unwrap();
    assert!(
        location.starts_with("/orders/") && location.ends_with("-k-1"),
        "{location}"
    );
    let [message] = harness.sent().try_into().unwrap();
    let attribute = |name: &str| message.attributes[name].string_value.as_deref().unwrap();
    assert_eq!(
        (attribute("IdempotencyKey"), attribute("traceparent")),
        ("ada/k-1", w3c)
    );
    assert_eq!(message.trace_header.as_deref(), Some(xray));
    assert_eq!(message.group.as_deref(), Some("ada"));
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(body, order("ada/o-1", "eve"));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_the_same_with_and_without_quotation_marks() {
    let harness = Harness::default();
    let bare = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    let quoted = harness.accepted(ADA, "\"k-1\"", &order("o-1", "eve")).await;
    assert_eq!(bare, quoted);
    let [one, other] = harness.sent().try_into().unwrap();
    assert_eq!(one, other);
}

/// A change to a request that is otherwise accepted; the status; and what the detail contains.
type Bad = (&'static str, fn(&mut Request<Body>), u16, &'static str);

const BAD_REQUESTS: [Bad; 12] = [
    (
        "no token",
        |it| drop(it.headers_mut().remove("authorization")),
        401,
        "Bearer TOKEN",
    ),
    (
        "unknown token",
        |it| set(it, "authorization", "Bearer token-of-eve"),
        401,
        "Bearer TOKEN",
    ),
    (
        "other scheme",
        |it| set(it, "authorization", "Basic token-of-ada"),
        401,
        "Bearer TOKEN",
    ),
    ("two tokens", |it| add(it, "authorization", BOB), 401, "Bearer TOKEN"),
    (
        "no key",
        |it| drop(it.headers_mut().remove("idempotency-key")),
        400,
        "Idempotency-Key",
    ),
    (
        "two keys",
        |it| add(it, "idempotency-key", "k-2"),
        400,
        "more than once",
    ),
    ("empty key", |it| set(it, "idempotency-key", "\"\""), 400, "1 to 255"),
    (
        "two keys in one",
        |it| set(it, "idempotency-key", "k-1, k-2"),
        400,
        "1 to 255",
    ),
    (
        "no type",
        |it| drop(it.headers_mut().remove("content-type")),
        415,
        "application/json",
    ),
    (
        "other type",
        |it| set(it, "content-type", "text/json"),
        415,
        "application/json",
    ),
    (
        "too large",
        |it| *it.body_mut() = Body::from("x".repeat(65_537)),
        413,
        "65536 bytes",
    ),
    (
        "not JSON",
        |it| *it.body_mut() = Body::from("{\"id\":"),
        400,
        "not JSON",
    ),
];

fn set(request: &mut Request<Body>, name: &'static str, value: &str) {
    request.headers_mut().insert(name, value.parse().unwrap());
}

fn add(request: &mut Request<Body>, name: &'static str, value: &str) {
    request.headers_mut().append(name, value.parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn each_bad_request_is_a_problem_and_enqueues_nothing() {
    let harness = Harness::default();
    for (what, change, status, detail) in BAD_REQUESTS {
        let mut request = post(ADA, "k-1", &order("o-1", "eve"));
        change(&mut request);
        let answered = harness.send(request).await;
        let stated = answered.problem(status);
        assert!(stated.contains(detail), "{what}: {stated}");
        assert_eq!(answered.header("www-authenticate").is_some(), status == 401, "{what}");
    }
    assert!(harness.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_that_can_never_be_placed_is_unprocessable() {
    let harness = Harness::default();
    for (name, value, detail) in [
        ("id", json!(1), "expected a string"),
        ("id", json!(" "), "id is blank"),
        ("id", json!("o\u{1}"), "id is blank or has control"),
        ("id", json!("i".repeat(2045)), "more than 2048 bytes"),
        ("customer", json!(""), "customer is blank"),
        // JSON does not escape this character, and queues refuse it.
        (
            "customer",
            json!("\u{7f}"),
            "can't be enqueued: its body contains characters",
        ),
        ("items", json!([]), "items is empty"),
        (
            "items",
            json!([{"sku": "tea", "quantity": 0, "price": 1}]),
            "items[0].quantity is 0",
        ),
        (
            "items",
            json!([{"sku": "tea", "quantity": 1, "price": -1}]),
            "items[0].price is -1",
        ),
        ("amount", json!(701), "amount is 701, but the items add up to 700"),
        ("amount", json!(700.5), "expected i64"),
    ] {
        let mut order = order("o-1", "eve");
        order[name] = value;
        let answered = harness.post(ADA, "k-1", &order).await;
        let stated = answered.problem(422);
        assert!(stated.contains(detail), "{stated}");
    }
    assert!(harness.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_times_out() {
    let harness = Harness::default();
    let mut request = post(ADA, "k-1", &order("o-1", "eve"));
    *request.body_mut() = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let answered = harness.send(request).await;
    assert_eq!(answered.problem(408), "the body was not complete within 10 seconds");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_down_is_unavailable_and_accepts_nothing() {
    for (fault, retry_after) in [(QueueFault::NotSent, "5"), (QueueFault::Refused, "60")] {
        let harness = Harness::failing(&[fault; 1000]);
        let answered = harness.post(ADA, "k-1", &order("o-1", "eve")).await;
        let detail = answered.problem(503);
        assert!(detail.contains("repeat the request with the same"), "{detail}");
        assert!(!detail.contains(QUEUE) && !detail.contains("injected"), "{detail}");
        assert_eq!(answered.header("retry-after"), Some(retry_after));
        assert_eq!(answered.header("location"), None);
        assert!(harness.sent().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_hangs_is_unavailable_until_repeated() {
    let harness = Harness::failing(&[QueueFault::SendHangs]);
    let answered = harness.post(ADA, "k-1", &order("o-1", "eve")).await;
    answered.problem(503);
    harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    assert_eq!(harness.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_accepted_once_confirmed() {
    let harness = Harness::failing(&[QueueFault::ReplyLost]);
    harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    assert_eq!(harness.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_problems() {
    let harness = Harness::default();
    assert_eq!(harness.get(ADA, "/order").await.problem(404), "nothing is at /order");
    assert_eq!(
        harness.get(ADA, "/orders/k-1").await.problem(404),
        "nothing is at /orders/k-1"
    );
    let answered = harness.get(ADA, "/orders").await;
    assert_eq!(answered.problem(405), "GET is not possible here");
    assert_eq!(answered.header("allow"), Some("POST"));
}

#[tokio::test(start_paused = true)]
async fn health_needs_no_token_and_no_queue() {
    let harness = Harness::failing(&[QueueFault::Refused]);
    let request = Request::get("/health").body(Body::empty()).unwrap();
    assert_eq!(harness.send(request).await.status, 200);
}
