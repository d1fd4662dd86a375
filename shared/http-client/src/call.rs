//! One request.

use aws_smithy_types::body::SdkBody;
use consumer::{Chain, Delivery, Failure};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request};
use serde::Serialize;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::client::HttpClient;

/// [The Idempotency-Key HTTP Header Field](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that is not sent yet.
#[derive(Debug)]
#[must_use = "it is sent by `send` or `answer`"]
pub struct Call<'a> {
    client: &'a HttpClient,
    request: Result<Request<SdkBody>, Invalid>,
}

/// Why there is no request.
#[derive(Debug)]
enum Invalid {
    /// A header is wrong. It may be a setting, such as a token that was rotated, so another attempt may succeed.
    Header(String),
    /// Path or body are wrong: they come from the message.
    Content(String),
}

impl Invalid {
    fn failure(self, address: &str) -> Failure {
        let reason = |problem| format!("the request to {address} can't be sent: {problem}");
        match self {
            Self::Header(problem) => Failure::retry(reason(problem)),
            Self::Content(problem) => Failure::permanent(reason(problem)),
        }
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(client: &'a HttpClient, method: Method, path: &str) -> Self {
        let request = client.destination.url(path).map_err(Invalid::Content).map(|url| {
            let mut request = Request::new(SdkBody::empty());
            (*request.method_mut(), *request.uri_mut()) = (method, url);
            client.destination.authorize(request)
        });
        Self { client, request }
    }

    fn with(self, change: impl FnOnce(&mut Request<SdkBody>) -> Result<(), Invalid>) -> Self {
        let request = self
            .request
            .and_then(|mut request| change(&mut request).map(|()| request));
        Self { request, ..self }
    }

    /// Sets a header. Its value appears in no failure, so it may be a secret.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|request| {
            let named = HeaderName::try_from(name)
                .map_err(|_| Invalid::Header(format!("{name:?} can't be a header's name")))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                Invalid::Header(format!(
                    "the value of header {name} has characters that no header may have"
                ))
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(named, value);
            Ok(())
        })
    }

    /// Sets `Idempotency-Key` to this message's token, which is the same at every attempt. The service can recognise a
    /// repetition by it.
    pub fn idempotency_key(self, delivery: &Delivery) -> Self {
        self.header(IDEMPOTENCY_KEY.as_str(), &delivery.idempotency_token())
    }

    /// Sets the body, and `Content-Type: application/json`.
    pub fn json(self, body: &impl Serialize) -> Self {
        self.with(|request| {
            let body = serde_json::to_vec(body)
                .map_err(|error| Invalid::Content(format!("the body can't be written as JSON: {error}")))?;
            *request.body_mut() = SdkBody::from(body);
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            Ok(())
        })
    }

    /// Sends the request, and returns the answer if its status is 2xx.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer), and the [`Failure`] that the answer's status means: [`Answer::failure`].
    pub async fn send(self) -> Result<Answer, Failure> {
        let answer = self.answer().await?;
        match answer.failure() {
            None => Ok(answer),
            Some(failure) => Err(failure),
        }
    }

    /// Sends the request, and returns the answer whatever its status is.
    ///
    /// # Errors
    ///
    /// A retry if no answer arrived in time: whether the request took effect is unknown then. Also a retry if a header is
    /// invalid: it may be a setting that is wrong for now. A permanent failure if path or body are invalid.
    pub async fn answer(self) -> Result<Answer, Failure> {
        let HttpClient {
            destination,
            client,
            timeout: limit,
        } = self.client;
        let address = destination.address();
        let request = self.request.map_err(|invalid| invalid.failure(&address))?;
        let failed = |what: String| Failure::retry(format!("{address} {what}"));
        match timeout(*limit, client.request(request)).await {
            Ok(Ok(response)) => Ok(Answer::read(address, response, *limit).await),
            Ok(Err(error)) if error.is_connect() => Err(failed(format!("can't be reached: {}", Chain(&error)))),
            Ok(Err(error)) => Err(failed(format!("sent no complete answer: {}", Chain(&error)))),
            Err(_) => Err(failed(format!("did not answer within {limit:?}"))),
        }
    }
}
