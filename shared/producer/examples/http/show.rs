//! `GET /orders/LOCATION`: what has become of an order.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use consumer::{Chain, Queues};
use idempotency::{Record, Status, StoreError, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::app::App;
use crate::location::Location;
use crate::problem::{Problem, json};
use crate::records::Records;

/// How soon a client should look again.
pub(crate) const POLL_AFTER: Duration = Duration::from_secs(2);

/// How long reading the ledger may take.
const READ_TIME: Duration = Duration::from_secs(5);

/// Suggested to a client when the ledger does not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What has become of an order, as its client reads it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Progress {
    /// Not processed yet, as far as the ledger shows.
    Pending,
    Done {
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    Rejected {
        reason: String,
    },
}

impl Progress {
    /// What this record means for the order of this location.
    ///
    /// There are two kinds of *pending*. A message that waits in the queue has no record, and neither has an order that was never
    /// sent. A record that is in progress may be of an attempt that died. None of these is an end, so they look alike.
    pub(crate) fn of(record: Option<Record>, location: &Location, now: Timestamp) -> Self {
        // A record may exist for days after it expired, and no longer counts.
        let current = record.filter(|record| record.expiration_seconds >= now.seconds());
        let Some(record) = current.filter(|record| record.status != Status::InProgress) else {
            return Self::Pending;
        };
        if location.is_of_other_content(record.fingerprint.as_deref()) {
            return Self::Rejected {
                reason: "idempotency-key-reused".to_owned(),
            };
        }
        match record.status {
            Status::Rejected => Self::Rejected {
                reason: public_reason(record.reason.as_deref().unwrap_or_default()),
            },
            _ => Self::Done {
                result: record
                    .data
                    .map(|data| serde_json::from_str(&data).unwrap_or(Value::String(data))),
            },
        }
    }

    fn is_final(&self) -> bool {
        *self != Self::Pending
    }
}

/// The code of a recorded reason, `[card-declined] ...`; `unspecified` if it has none.
///
/// The text is for operators: it may name queues, tables and other systems. The code is a constant of the handler.
fn public_reason(recorded: &str) -> String {
    let code = (recorded.strip_prefix('[')).and_then(|rest| rest.split_once("] ").map(|(code, _)| code));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let code = code.filter(|code| (1..=64).contains(&code.len()) && code.bytes().all(is_plain));
    code.unwrap_or("unspecified").to_owned()
}

/// Answers 200 for what is final, and 202 with `Retry-After` for what is pending.
pub(crate) async fn show<Q: Queues, R: Records>(
    State(app): State<Arc<App<Q, R>>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = app.callers.authenticate(&headers)?;
    let nowhere = || Problem::new(StatusCode::NOT_FOUND, format!("nothing is at {}", uri.path()));
    let location = path
        .ok()
        .and_then(|Path(segment)| Location::parse(&segment))
        .ok_or_else(nowhere)?;
    let key = location.key().of_record(&caller).map_err(|_| nowhere())?;
    let read = timeout(READ_TIME, app.records.read(&key)).await;
    let read = read.unwrap_or_else(|_| Err(StoreError::NoAnswer("deadline exceeded".into())));
    let progress = Progress::of(read.map_err(unreadable)?, &location, Timestamp::now());
    match progress.is_final() {
        true => Ok(json(StatusCode::OK, &progress)),
        false => {
            let header = [(RETRY_AFTER, POLL_AFTER.as_secs().to_string())];
            Ok((header, json(StatusCode::ACCEPTED, &progress)).into_response())
        }
    }
}

fn unreadable(error: StoreError) -> Problem {
    tracing::error!("record not read: {}", Chain(&error));
    let detail = "the state of the order can't be read now";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_retry_after(AFTER_FAILURE)
}
