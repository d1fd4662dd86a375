//! Sends notifications to an HTTP receiver.
//!
//! The call is an effect outside any transaction: if the process dies between the call and its record, the message is
//! redelivered and the call is repeated. Therefore the key is claimed first, so that no two attempts run concurrently, and
//! every attempt sends the same `Idempotency-Key`, by which the receiver recognises a repetition.

mod notification;

pub use notification::Notification;

use consumer::{Delivery, Failure, Handler};
use host::SettingError;
use http_client::HttpClient;
use idempotency::{Completion, NoWrites};

/// The handler of [`Notification`] messages.
#[derive(Debug)]
pub struct SendNotification {
    receiver: HttpClient,
}

impl SendNotification {
    /// A handler that sends `POST` requests to the http or https URL in `NOTIFICATION_URL`. User info in it
    /// (`https://user:password@host/`, percent-encoded) is sent as `Authorization: Basic`, and appears in no log.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if it is not set, or is not such a URL.
    pub fn from_env() -> Result<Self, SettingError> {
        let receiver = HttpClient::from_env("NOTIFICATION_URL")?;
        Ok(Self { receiver })
    }
}

impl Handler for SendNotification {
    type Message = Notification;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "send-notification";

    async fn handle(&self, notification: Notification, delivery: &Delivery) -> Result<Completion, Failure> {
        notification.check().map_err(Failure::permanent)?;
        let call = self.receiver.post().idempotency_key(delivery).json(&notification);
        call.send().await?;
        Ok(Completion::new())
    }
}
