use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::json;
use tower_service::Service;

use super::*;

async fn call(receivers: &Receivers, method: &str, path: &str, body: &str) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("idempotency-key", "k-1");
    receivers
        .router()
        .call(request.body(Body::from(body.to_owned())).unwrap())
        .await
        .unwrap()
}

async fn body(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn set(receivers: &Receivers, script: Value) -> (u16, String) {
    let response = call(receivers, "POST", "/_receivers/GatewayUrl", &script.to_string()).await;
    (response.status().as_u16(), body(response).await)
}

#[tokio::test]
async fn request_is_accepted_and_kept_with_its_path_and_headers() {
    let receivers = Receivers::new(["GatewayUrl", "OtherUrl"]);
    let response = call(
        &receivers,
        "PUT",
        "/receivers/GatewayUrl/charges/1?a=b",
        r#"{"amount":7}"#,
    )
    .await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    call(&receivers, "POST", "/receivers/GatewayUrl", "plain").await;
    let requests = receivers.get("GatewayUrl").unwrap().requests();
    let seen = |request: &Received| {
        (
            request.method.clone(),
            request.path.clone(),
            request.body.clone(),
            request.status,
        )
    };
    assert_eq!(
        requests.iter().map(seen).collect::<Vec<_>>(),
        [
            ("PUT".to_owned(), "/charges/1?a=b".to_owned(), json!({"amount": 7}), 202),
            ("POST".to_owned(), String::new(), json!("plain"), 202),
        ]
    );
    assert_eq!(requests[0].headers["idempotency-key"], "k-1");
    assert_eq!(receivers.get("OtherUrl").unwrap().requests(), []);
    assert_eq!(receivers.get("GatewayUrl").unwrap().notifications()["k-1"].requests, 2);
}

#[tokio::test(start_paused = true)]
async fn next_requests_get_the_answers_that_are_set_for_them() {
    let receivers = Receivers::new(["GatewayUrl"]);
    let script = json!({"status": 402, "times": 2, "retryAfter": 5, "delay": 1.5, "body": "{\"why\": \"no\"}"});
    assert_eq!(set(&receivers, script).await, (204, String::new()));
    for _ in 0..2 {
        let begin = tokio::time::Instant::now();
        let answer = call(&receivers, "POST", "/receivers/GatewayUrl", "").await;
        assert_eq!(begin.elapsed(), Duration::from_millis(1500));
        assert_eq!(answer.status().as_u16(), 402);
        assert_eq!(answer.headers()["retry-after"], "5");
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(body(answer).await, r#"{"why": "no"}"#);
    }
    let answer = call(&receivers, "POST", "/receivers/GatewayUrl", "").await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let notified = &receivers.get("GatewayUrl").unwrap().notifications()["k-1"];
    assert_eq!((notified.requests, notified.accepted), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn request_whose_client_gives_up_is_kept() {
    let receivers = Receivers::new(["GatewayUrl"]);
    set(&receivers, json!({"status": 402, "delay": 60})).await;
    let request = call(&receivers, "POST", "/receivers/GatewayUrl", "{}");
    let answer = tokio::time::timeout(Duration::from_secs(1), request).await;
    assert!(answer.is_err(), "it is dropped before the answer");
    let receiver = receivers.get("GatewayUrl").unwrap();
    assert_eq!(receiver.requests()[0].status, 402);
    let notified = &receiver.notifications()["k-1"];
    assert_eq!((notified.requests, notified.accepted), (1, 0));
}

#[tokio::test]
async fn wrong_answer_is_refused_and_changes_nothing() {
    let receivers = Receivers::new(["GatewayUrl"]);
    for (script, why) in [
        (json!({"status": 99}), "status must be from 200 to 599, not 99"),
        (json!({"delay": -1}), "delay must be a number of seconds, not -1"),
        (json!({"times": 0}), "times must be from 1 to 100000, not 0"),
        (json!({"state": 402}), "unknown field `state`"),
        (json!([]), "invalid"),
    ] {
        let (status, message) = set(&receivers, script).await;
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(why), "{message}");
    }
    let answer = call(&receivers, "POST", "/receivers/GatewayUrl", "").await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn requests_are_listed_for_other_programs() {
    let receivers = Receivers::new(["GatewayUrl"]);
    call(&receivers, "POST", "/receivers/GatewayUrl", "{}").await;
    let listed = body(call(&receivers, "GET", "/_receivers/GatewayUrl", "").await).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed,
        json!([{
            "method": "POST", "path": "", "headers": {"idempotency-key": "k-1"}, "body": {}, "status": 202,
        }])
    );
    let names = body(call(&receivers, "GET", "/_receivers", "").await).await;
    assert_eq!(names, r#"["GatewayUrl"]"#);
}

#[tokio::test]
async fn unknown_receiver_is_refused_with_the_known_ones() {
    let receivers = Receivers::new(["GatewayUrl"]);
    for path in ["/receivers/GatwayUrl", "/_receivers/GatwayUrl"] {
        let response = call(&receivers, "GET", path, "").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let message = body(response).await;
        assert!(
            message.contains("no receiver GatwayUrl: there is GatewayUrl"),
            "{message}"
        );
    }
    let none = call(&Receivers::default(), "GET", "/receivers/X", "").await;
    assert!(
        body(none)
            .await
            .contains("there is none: the template has no parameter")
    );
}

#[tokio::test]
async fn oldest_requests_make_room() {
    let receiver = Receiver::default();
    for number in 0..=REQUESTS {
        let received = Received {
            method: "POST".to_owned(),
            path: number.to_string(),
            headers: BTreeMap::new(),
            body: Value::Null,
            status: 0,
        };
        receiver.answer(received).await;
    }
    let requests = receiver.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (REQUESTS, "1"));
}
