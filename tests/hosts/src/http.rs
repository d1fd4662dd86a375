//! HTTP requests, each on a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws::https_client;
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{Failed, PATIENCE};

/// The answer to a request.
///
/// # Errors
///
/// There is none: the connection was refused or broke, or it took too long.
pub(crate) async fn call(
    method: Method,
    url: &str,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<Response<Bytes>, Failed> {
    let mut request = Request::builder().method(method).uri(url).body(SdkBody::from(body))?;
    *request.headers_mut() = headers.clone();
    let answered = async {
        let (head, body) = https_client().request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    timeout(PATIENCE, answered).await?
}

/// The same of a request that must succeed: its JSON, if it is JSON.
pub(crate) async fn succeed(method: Method, url: &str, body: Option<&Value>) -> Result<Value, Failed> {
    let mut headers = HeaderMap::new();
    let body = body.map_or(String::new(), Value::to_string);
    if !body.is_empty() {
        headers.insert("content-type", "application/json".parse()?);
    }
    let answer = call(method, url, &headers, body.into_bytes()).await?;
    let text = String::from_utf8_lossy(answer.body());
    match answer.status().is_success() {
        true => Ok(serde_json::from_str(&text).unwrap_or(Value::Null)),
        false => Err(format!("{url}: {} {text}", answer.status()).into()),
    }
}

/// Where a platform reaches the processes of the handler, while there are some.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    addresses: watch::Sender<Vec<String>>,
    /// Answers that are still to be lost, and how many were.
    losing: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

impl Door {
    pub(crate) fn set(&self, addresses: Vec<String>) {
        self.addresses.send_replace(addresses);
    }

    /// Loses the next answer that a message is done.
    pub(crate) fn lose(&self) {
        self.losing.fetch_add(1, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// Calls one of the processes, as soon as there is one.
    pub(crate) async fn post(&self, headers: &HeaderMap, body: Vec<u8>) -> Result<Response<Bytes>, Failed> {
        let mut addresses = self.addresses.subscribe();
        let addresses = addresses.wait_for(|addresses| !addresses.is_empty()).await?.clone();
        let address = fastrand::choice(&addresses).ok_or("there is no process")?;
        let answer = call(Method::POST, &format!("http://{address}/notify"), headers, body).await?;
        let take = |losing: usize| losing.checked_sub(1);
        let is_lost = answer.status().is_success()
            && self
                .losing
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                .is_ok();
        match is_lost {
            true => {
                self.lost.fetch_add(1, Ordering::SeqCst);
                Err("the answer is lost".into())
            }
            false => Ok(answer),
        }
    }

    /// The same until the answer is as this requires, with a delay that doubles up to a second.
    pub(crate) async fn post_until(&self, headers: &HeaderMap, body: Vec<u8>, is_done: fn(u16) -> bool) {
        let mut delay = Duration::from_millis(100);
        loop {
            let answer = self.post(headers, body.clone()).await;
            if answer.is_ok_and(|answer| is_done(answer.status().as_u16())) {
                return;
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(Duration::from_secs(1));
        }
    }
}
