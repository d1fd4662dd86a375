//! Sends notifications to an HTTP receiver.
//!
//! The call is an effect outside any transaction: if the process dies between the call and its record, the message is
//! redelivered and the call is repeated. Therefore the key is claimed first, so that no two attempts run concurrently, and
//! every attempt sends the same `Idempotency-Key`, by which the receiver recognises a repetition.

mod notification;
mod response;

pub use notification::Notification;

use std::time::Duration;

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use consumer::{Chain, Delivery, Failure, Handler};
use host::{SettingError, setting};
use http::header::{CONTENT_TYPE, HeaderName};
use http::uri::Scheme;
use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use idempotency::{Completion, NoWrites};
use tokio::time::timeout;

/// The receiver must answer within this time.
const RECEIVER_TIMEOUT: Duration = Duration::from_secs(5);

/// The rest of a longer response body is not read, and the connection is closed.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// [The Idempotency-Key HTTP Header Field](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The handler of [`Notification`] messages.
#[derive(Debug)]
pub struct SendNotification {
    receiver: Uri,
    client: HttpsClient,
}

impl SendNotification {
    /// A handler that sends `POST` requests to this receiver.
    pub fn new(receiver: Uri) -> Self {
        Self {
            receiver,
            client: https_client(),
        }
    }

    /// The same, with the http or https URL of the receiver in `NOTIFICATION_URL`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if it is not set, or is not such a URL.
    pub fn from_env() -> Result<Self, SettingError> {
        const VARIABLE: &str = "NOTIFICATION_URL";
        let receiver: Uri = setting(VARIABLE)?
            .parse()
            .map_err(|error| SettingError::wrong(VARIABLE, format!("is not a URL: {error}")))?;
        match (receiver.scheme_str(), receiver.host()) {
            (Some("http" | "https"), Some(_)) => Ok(Self::new(receiver)),
            _ => Err(SettingError::wrong(VARIABLE, "is not an http or https URL")),
        }
    }
}

impl SendNotification {
    /// The failure of a request without an answer. It states only host and port of the receiver: user info, path and query
    /// may contain secrets.
    fn failure(&self, why: &str) -> Failure {
        let host = self.receiver.host().unwrap_or_default();
        let default = if self.receiver.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        let port = self.receiver.port_u16().unwrap_or(default);
        Failure::retry(format!("the receiver {host}:{port} {why}"))
    }
}

impl Handler for SendNotification {
    type Message = Notification;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "send-notification";

    async fn handle(&self, notification: Notification, delivery: &Delivery) -> Result<Completion, Failure> {
        notification.check().map_err(Failure::permanent)?;
        let request = Request::post(&self.receiver)
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, delivery.idempotency_token())
            .body(SdkBody::from(serde_json::to_vec(&notification)?))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_the_receiver_by_host_and_port_only() {
        for (url, address) in [
            ("https://ada:secret@example.com/secret?token=secret", "example.com:443"),
            ("http://example.com", "example.com:80"),
            ("https://[::1]:8443/secret", "[::1]:8443"),
        ] {
            let failure = SendNotification::new(url.parse().unwrap()).failure("is silent");
            assert_eq!(failure.to_string(), format!("the receiver {address} is silent"));
            assert!(!failure.is_permanent());
        }
    }
}
