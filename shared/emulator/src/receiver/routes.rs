//! The paths of receivers on the stack's port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Value, json};

use super::{Answer, Received, Receiver};

/// Receivers by name.
#[derive(Debug, Clone, Default)]
pub struct Receivers {
    by_name: Arc<BTreeMap<String, Receiver>>,
}

impl Receivers {
    /// Where they listen on the stack's port: each at this, a slash, and its name, and anywhere below.
    pub const PATH: &str = "/receivers";
    /// Where a developer controls them: at this, a slash, and a name, `GET` is the requests so far, and `POST` sets the next
    /// answers. `GET` without a name is the names.
    pub const CONTROL_PATH: &str = "/_receivers";

    /// One of each name.
    pub fn new<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        let receivers = names.into_iter().map(|name| (name.into(), Receiver::default()));
        Self {
            by_name: Arc::new(receivers.collect()),
        }
    }

    /// The receiver of this name.
    pub fn get(&self, name: &str) -> Option<&Receiver> {
        self.by_name.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The routes of both paths.
    pub fn router(&self) -> Router {
        let (path, control) = (Self::PATH, Self::CONTROL_PATH);
        Router::new()
            .route(&format!("{path}/{{name}}"), any(receive))
            .route(&format!("{path}/{{name}}/{{*path}}"), any(receive))
            .route(control, get(names))
            .route(&format!("{control}/{{name}}"), get(requests).post(set_answers))
            .with_state(self.clone())
    }

    fn find(&self, name: &str) -> Result<&Receiver, Refusal> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            let known = match known.is_empty() {
                true => {
                    "there is none: the template has no parameter that ends in Url and has neither value nor default"
                        .to_owned()
                }
                false => format!("there is {}", known.join(", ")),
            };
            refusal(StatusCode::NOT_FOUND, format!("there is no receiver {name}: {known}"))
        })
    }
}

type Json = ([(HeaderName, &'static str); 1], String);
type Refusal = (StatusCode, Json);

fn as_json(value: &Value) -> Json {
    ([(CONTENT_TYPE, "application/json")], value.to_string())
}

fn refusal(status: StatusCode, message: String) -> Refusal {
    (status, as_json(&json!({ "message": message })))
}

async fn receive(
    State(receivers): State<Receivers>,
    Path(names): Path<BTreeMap<String, String>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let name = names.get("name").map_or("", String::as_str);
    let receiver = receivers.find(name)?;
    let whole = uri.path_and_query().map_or("", |path| path.as_str());
    let path = whole
        .strip_prefix(&format!("{}/{name}", Receivers::PATH))
        .unwrap_or(whole);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let received = Received {
        method: method.to_string(),
        path: path.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: json_or_text(&body),
        status: 0,
    };
    let answer = receiver.answer(received).await;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&answer.body).is_ok();
    let mut response = (answer.status, answer.body).into_response();
    let headers = response.headers_mut();
    if is_json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.extend(answer.retry_after.map(|seconds| (RETRY_AFTER, seconds.into())));
    Ok(response)
}

fn json_or_text(body: &[u8]) -> Value {
    match body {
        [] => Value::Null,
        body => {
            serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
        }
    }
}

async fn names(State(receivers): State<Receivers>) -> Json {
    as_json(&json!(receivers.names().collect::<Vec<_>>()))
}

async fn requests(State(receivers): State<Receivers>, Path(name): Path<String>) -> Result<Json, Refusal> {
    let requests = receivers.find(&name)?.requests().into_iter().map(|request| {
        json!({
            "method": request.method,
            "path": request.path,
            "headers": request.headers,
            "body": request.body,
            "status": request.status,
        })
    });
    Ok(as_json(&Value::Array(requests.collect())))
}

/// What `POST` takes; every field may be absent.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Script {
    /// From 200 to 599.
    status: u16,
    /// How many requests get this answer.
    times: usize,
    /// Seconds.
    retry_after: Option<u64>,
    /// Seconds.
    delay: f64,
    body: String,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            status: StatusCode::ACCEPTED.as_u16(),
            times: 1,
            retry_after: None,
            delay: 0.0,
            body: String::new(),
        }
    }
}

impl Script {
    fn answer(self) -> Result<(usize, Answer), String> {
        let status = StatusCode::from_u16(self.status)
            .ok()
            .filter(|_| (200..600).contains(&self.status));
        let status = status.ok_or_else(|| format!("status must be from 200 to 599, not {}", self.status))?;
        let delay = Duration::try_from_secs_f64(self.delay)
            .map_err(|_| format!("delay must be a number of seconds, not {}", self.delay))?;
        if !(1..=MOST_ANSWERS).contains(&self.times) {
            return Err(format!("times must be from 1 to {MOST_ANSWERS}, not {}", self.times));
        }
        let answer = Answer {
            status,
            retry_after: self.retry_after,
            delay,
            body: self.body,
        };
        Ok((self.times, answer))
    }
}

/// Enough for a test of load; more would only fill the memory.
const MOST_ANSWERS: usize = 100_000;

async fn set_answers(
    State(receivers): State<Receivers>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let receiver = receivers.find(&name)?;
    // An object, because a list would do for a struct as well.
    let script = serde_json::from_slice(&body).and_then(|fields| serde_json::from_value(Value::Object(fields)));
    let answer = script.map_err(|error| error.to_string()).and_then(Script::answer);
    let (times, answer) = answer.map_err(|why| refusal(StatusCode::BAD_REQUEST, why))?;
    receiver.answer_next(times, &answer);
    Ok(StatusCode::NO_CONTENT)
}
