//! Requests to the queues of one account.

use std::time::{Duration, SystemTime};

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use crate::account::Account;
use crate::credentials::{Credentials, Right};
use crate::fault::{self, Fault};
use crate::shared_key::ToSign;

/// The first version in which all that is used here exists is 2017-11-09, with access tokens.
const VERSION: &str = "2021-12-02";
/// Queries of queues take milliseconds. The service gives one up after 30 s
/// ([timeouts](https://learn.microsoft.com/rest/api/storageservices/setting-timeouts-for-queue-service-operations)).
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// 32 messages of 64 KiB, with all that surrounds them.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Its name in the documentation, for errors.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) queue: &'a str,
    /// What follows the queue in the path, percent-encoded.
    pub(crate) path: String,
    /// Sorted by name.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) succeeds: StatusCode,
}

/// An answer with the status that was expected.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) account: Account,
    credentials: Credentials,
    http: HttpsClient,
}

impl Client {
    pub(crate) fn new(account: Account, credentials: Credentials) -> Self {
        Self {
            account,
            credentials,
            http: https_client(),
        }
    }

    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, Fault> {
        let answer = timeout(ANSWER, self.answer(&call)).await;
        let answer = answer.unwrap_or_else(|_| Err(Fault::no_answer(ANSWER)));
        answer.map_err(|fault| fault.during(call.operation))
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let response = self.http.request(self.request(call).await?).await;
        let (head, body) = response.map_err(Fault::of_connection)?.into_parts();
        if head.status != call.succeeds {
            if let (StatusCode::UNAUTHORIZED, Right::Identity(identity)) = (head.status, &self.credentials.0) {
                identity.forget().await;
            }
            let code = head.headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
            return Err(fault::of_answer(head.status, code.unwrap_or_default()));
        }
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Fault::unavailable(format!("its answer was cut off: {error}")))?;
        let body = String::from_utf8(body.to_bytes().into());
        Ok(Answer {
            headers: head.headers,
            body: body.map_err(|_| Fault::unavailable("its answer is not UTF-8"))?,
        })
    }

    async fn request(&self, call: &Call<'_>) -> Result<Request<SdkBody>, Fault> {
        let path = format!("{}/{}{}", self.account.path, call.queue, call.path);
        let query = call
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        let mut query: Vec<_> = query.collect();
        if let Right::Sas(token) = &self.credentials.0 {
            query.push(token.to_string());
        }
        let headers = [
            ("x-ms-date", httpdate::fmt_http_date(SystemTime::now())),
            ("x-ms-version", VERSION.to_owned()),
        ];
        let authorization = self.authorization(call, &headers, &path).await?;
        let url = format!("{}{path}?{}", self.account.origin, query.join("&"));
        let mut request = Request::builder().method(&call.method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(SdkBody::from(call.body.clone())).map_err(|_| {
            Fault::refused("the request can't be written: has the SAS token characters that no URL has?")
        })?;
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        Ok(request)
    }

    /// `None`: the token is in the query.
    async fn authorization(
        &self,
        call: &Call<'_>,
        headers: &[(&'static str, String)],
        path: &str,
    ) -> Result<Option<HeaderValue>, Fault> {
        match &self.credentials.0 {
            Right::Sas(_) => Ok(None),
            Right::Identity(identity) => identity.authorization().await.map(Some),
            Right::SharedKey(key) => {
                let signed = key.authorization(&ToSign {
                    method: call.method.as_str(),
                    content_length: call.body.len(),
                    headers,
                    path,
                    query: &call.query,
                });
                Ok(HeaderValue::try_from(signed).ok())
            }
        }
    }
}

/// Percent-encoded ([RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
