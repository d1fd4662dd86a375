//! Sends notifications to an HTTP receiver.
//!
//! The call is an effect outside any transaction: if the process dies between the call and its record, the message is
//! redelivered and the call is repeated. Therefore the key is claimed first, so that no two attempts run concurrently, and
//! every attempt sends the same `Idempotency-Key`, by which the receiver recognises a repetition.

mod notification;
mod receiver;
mod response;

pub use notification::Notification;

use std::time::Duration;

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use consumer::{Chain, Delivery, Failure, Handler};
use host::{SettingError, http_url};
use http::Request;
use http::header::{CONTENT_TYPE, HeaderName};
use http_body_util::{BodyExt, Limited};
use idempotency::{Completion, NoWrites};
use tokio::time::timeout;

use crate::receiver::Receiver;

/// The receiver must answer within this time.
const RECEIVER_TIMEOUT: Duration = Duration::from_secs(5);

/// The rest of a longer response body is not read, and the connection is closed.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// [The Idempotency-Key HTTP Header Field](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The handler of [`Notification`] messages.
#[derive(Debug)]
pub struct SendNotification {
    receiver: Receiver,
    client: HttpsClient,
}

impl SendNotification {
    /// A handler that sends `POST` requests to the http or https URL in `NOTIFICATION_URL`. User info in it
    /// (`https://user:password@host/`, percent-encoded) is sent as `Authorization: Basic`, and appears in no log.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if it is not set, or is not such a URL.
    pub fn from_env() -> Result<Self, SettingError> {
        const VARIABLE: &str = "NOTIFICATION_URL";
        let receiver = Receiver::parse(&http_url(VARIABLE)?);
        Ok(Self {
            receiver: receiver.map_err(|problem| SettingError::wrong(VARIABLE, problem))?,
            client: https_client(),
        })
    }

    /// The failure of a request without an answer.
    fn failure(&self, why: &str) -> Failure {
        Failure::retry(format!("the receiver {} {why}", self.receiver.address()))
    }
}

impl Handler for SendNotification {
    type Message = Notification;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "send-notification";

    async fn handle(&self, notification: Notification, delivery: &Delivery) -> Result<Completion, Failure> {
        notification.check().map_err(Failure::permanent)?;
        let request = Request::post(self.receiver.url())
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, delivery.idempotency_token())
            .body(SdkBody::from(serde_json::to_vec(&notification)?))?;
        let request = self.receiver.authorize(request);
        let response = match timeout(RECEIVER_TIMEOUT, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                return Err(self.failure(&format!("can't be reached: {}", Chain(&error))));
            }
            Ok(Err(error)) => return Err(self.failure(&format!("sent no complete answer: {}", Chain(&error)))),
            Err(_) => return Err(self.failure(&format!("did not answer within {RECEIVER_TIMEOUT:?}"))),
        };
        let (head, body) = response.into_parts();
        // Read to its end, so that the connection can be reused. The content does not matter.
        let _ = timeout(RECEIVER_TIMEOUT, Limited::new(body, MAX_RESPONSE_BYTES).collect()).await;
        response::outcome(head.status, &head.headers)
    }
}
