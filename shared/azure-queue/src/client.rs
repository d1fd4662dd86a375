//! Requests to the queues of one account.

use std::time::{Duration, SystemTime};

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
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
/// 32 messages of 64 KiB, of which each character may be escaped (`&quot;`), with all that surrounds them.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

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
        let request = self.request(call).await?;
        let sent = request.headers().get(AUTHORIZATION).cloned();
        let (head, body) = self
            .http
            .request(request)
            .await
            .map_err(Fault::of_connection)?
            .into_parts();
        if head.status != call.succeeds {
            let code = head.headers.get("x-ms-error-code").and_then(|code| code.to_str().ok());
            let fault = fault::of_answer(head.status, code.unwrap_or_default());
            return Err(match (head.status, &self.credentials.0, sent) {
                // The next request has a new token.
                (StatusCode::UNAUTHORIZED, Right::Identity(identity), Some(sent)) => {
                    identity.forget(&sent).await;
                    Fault::unavailable(fault.why)
                }
                _ => fault,
            });
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
        if call.method == Method::PUT && call.body.is_empty() {
            // hyper would send none, and Azure refuses a PUT without it (411).
            request = request.header(CONTENT_LENGTH, 0);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;
    use crate::AzureQueueUrl;

    fn call(method: Method, body: &str) -> Call<'_> {
        Call {
            operation: "Update Message",
            method,
            queue: "orders",
            path: "/messages/m-1".to_owned(),
            query: vec![("popreceipt", "a+b=".to_owned())],
            body: body.to_owned(),
            succeeds: StatusCode::NO_CONTENT,
        }
    }

    /// Azurite does not require it.
    #[tokio::test]
    async fn a_put_without_a_body_states_its_length() {
        let url: AzureQueueUrl = "https://shop.queue.core.windows.net/orders?sig=x%2F".parse().unwrap();
        let client = Client::new(url.account.clone(), Credentials::from_env(&url).unwrap());
        let request = client.request(&call(Method::PUT, "")).await.unwrap();
        assert_eq!(request.headers()[CONTENT_LENGTH], "0");
        let expected = "https://shop.queue.core.windows.net/orders/messages/m-1?popreceipt=a%2Bb%3D&sig=x%2F";
        assert_eq!(request.uri(), expected);
        for other in [call(Method::GET, ""), call(Method::PUT, "text")] {
            let request = client.request(&other).await.unwrap();
            assert!(!request.headers().contains_key(CONTENT_LENGTH), "that of hyper");
        }
    }
}
