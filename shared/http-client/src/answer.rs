//! What a service answered.

use std::error::Error;
use std::time::{Duration, SystemTime};

use consumer::Failure;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::status;

/// The rest of a longer body is not read, and the connection is closed.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The answer of a service.
#[derive(Debug)]
pub struct Answer {
    address: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Result<Vec<u8>, &'static str>,
}

impl Answer {
    /// Reads the body to its end, so that the connection can be used again. A body that can't be read is no failure by itself:
    /// the request has taken effect.
    pub(crate) async fn read<B>(address: String, response: Response<B>, limit: Duration) -> Self
    where
        B: BodyExt,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = response.into_parts();
        let body = match timeout(limit, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes().into()),
            Ok(Err(_)) => Err("was cut off, or has more than 1 MiB"),
            Err(_) => Err("did not arrive in time"),
        };
        Self {
            address,
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, decoded from JSON.
    ///
    /// # Errors
    ///
    /// A retry: the body has another form, was cut off, or has more than 1 MiB. It is not quoted. The request has taken effect,
    /// and the next attempt repeats it, with the same idempotency key.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let answer = format!("the body of {}'s answer, {},", self.address, self.status);
        match &self.body {
            Err(problem) => Err(Failure::retry(format!("{answer} {problem}"))),
            Ok(body) => serde_json::from_slice(body).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                let what = match error.classify() {
                    serde_json::error::Category::Data => "has another form than expected",
                    _ => "is not JSON",
                };
                Failure::retry(format!("{answer} {what} (line {line}, column {column})"))
            }),
        }
    }

    /// What the status means for the message: `None` for 2xx, otherwise a failure that names host and status. The
    /// [page of this crate](crate) has the table.
    pub fn failure(&self) -> Option<Failure> {
        status::failure(&self.address, self.status, &self.headers, SystemTime::now())
    }
}
