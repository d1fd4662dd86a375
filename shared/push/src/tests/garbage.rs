//! Requests that no platform sends.

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::bench::{ALL, Bench, Options, request, script};
use crate::answer::{Ending, Platform};

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("message"),
        Just("data"),
        Just("messageId"),
        Just("attributes"),
        Just("deliveryAttempt"),
        Just("publishTime"),
        Just("Data"),
        Just("Metadata"),
        Just("Id"),
        Just("DequeueCount"),
        Just("InsertionTime"),
        Just("order"),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any_json().prop_map(|json| json.to_string().into_bytes()),
    ]
}

/// A host with these options, and the status of its answer to a request.
fn sent(options: Options, request: Request<Body>) -> (Bench, axum::http::StatusCode) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = options.start();
        let status = bench.send(request).await;
        (bench, status)
    })
}

proptest! {
    #[test]
    fn garbage_is_answered_and_never_acknowledged_unseen(
        body in any_body(),
        name in prop::option::of("[ -~]{0,20}"),
        count in prop::option::of("[ -~]{0,12}"),
    ) {
        for platform in ALL {
            let mut garbage = request(platform, "m-1", 1, "");
            *garbage.body_mut() = body.clone().into();
            for (header, value) in [("x-cloudtasks-taskname", &name), ("x-cloudtasks-taskretrycount", &count)] {
                garbage.headers_mut().remove(header);
                if let Some(value) = value {
                    garbage.headers_mut().insert(header, HeaderValue::from_str(value).unwrap());
                }
            }
            let options = Options { has_dead_letters: false, ..Options::of(platform) };
            let (bench, status) = sent(options, garbage);
            // A body of any kind may be in a message: the handler never sees it, and it waits as a copy.
            let is_copied = bench.copies().len() == 1;
            let expected = [Ending::NoMessage, Ending::Retry].map(|ending| platform.status(ending));
            prop_assert!(expected.contains(&status) || is_copied, "{:?} {}", platform, status);
            prop_assert_eq!(bench.begun(), 0);
        }
    }
}

/// What becomes of a request with this body.
fn malformed(platform: Platform, body: &Value) -> (Bench, axum::http::StatusCode) {
    let mut malformed = request(platform, "m-1", 1, "");
    *malformed.body_mut() = body.to_string().into();
    let authorization = HeaderValue::from_static("Bearer secret");
    malformed.headers_mut().insert("authorization", authorization);
    sent(Options::of(platform), malformed)
}

#[test]
fn a_malformed_message_of_the_platform_is_dead_lettered_as_it_came() {
    let platform = Platform::AzureFunctions;
    let (bench, status) = malformed(platform, &json!({ "Data": { "order": "o-1" }, "Metadata": {} }));
    assert_eq!(status, platform.status(Ending::Acknowledged));
    let [dead_letter] = bench.dead_letters().try_into().unwrap();
    let body = dead_letter.body;
    assert!(body.contains("o-1") && !body.contains("secret"), "{body}");
    assert!(bench.metrics.text().contains("outcome=\"rejected\"} 1"));
}

#[test]
fn a_malformed_message_holds_its_group_if_the_handler_does() {
    let body = json!({ "message": { "data": "%", "messageId": "m-1", "orderingKey": "k" }, "subscription": "s" });
    let (bench, status) = malformed(Platform::PubSub, &body);
    assert_eq!(status, Platform::PubSub.status(Ending::Retry));
    assert!(bench.dead_letters().is_empty());
}

#[test]
fn another_function_is_no_message() {
    let platform = Platform::AzureFunctions;
    for (path, expected) in [("/orders", Ending::Acknowledged), ("/refunds", Ending::NoMessage)] {
        let options = Options {
            path: Some(path),
            ..Options::of(platform)
        };
        let (_, status) = sent(options, request(platform, "m-1", 1, &script(10, &["done"])));
        assert_eq!(status, platform.status(expected), "{path}");
    }
}

#[test]
fn a_task_is_named_by_its_header() {
    let platform = Platform::CloudTasks;
    let mut nameless = request(platform, "m-1", 1, &script(10, &["done"]));
    nameless.headers_mut().remove("x-cloudtasks-taskname");
    let (bench, status) = sent(Options::of(platform), nameless);
    assert_eq!(status, platform.status(Ending::NoMessage));
    assert_eq!((bench.begun(), bench.dead_letters().len()), (0, 0));
}
