//! The operations on queues that are used here
//! ([operations on messages](https://learn.microsoft.com/rest/api/storageservices/operations-on-messages)).

use std::time::Duration;

use http::{Method, StatusCode};

use crate::client::{Call, Client, encoded};
use crate::fault::Fault;
use crate::xml::{self, Message};

/// The most messages of one [Get Messages](https://learn.microsoft.com/rest/api/storageservices/get-messages).
pub(crate) const MOST_MESSAGES: usize = 32;
/// A message is hidden for 7 days at most, when it is sent and afterwards
/// ([Put Message](https://learn.microsoft.com/rest/api/storageservices/put-message),
/// [Update Message](https://learn.microsoft.com/rest/api/storageservices/update-message)).
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// It never expires; the default would be 7 days.
const NO_END: &str = "-1";

impl Client {
    /// Sends a message, hidden for this long. It is stored when this returns.
    pub(crate) async fn put(&self, queue: &str, text: &str, hidden: Duration) -> Result<(), Fault> {
        let call = Call {
            operation: "Put Message",
            method: Method::POST,
            queue,
            path: "/messages".to_owned(),
            query: vec![
                ("messagettl", NO_END.to_owned()),
                ("visibilitytimeout", seconds(hidden)),
            ],
            body: xml::message(text),
            succeeds: StatusCode::CREATED,
        };
        self.send(call).await.map(drop)
    }

    /// Receives messages, and hides them for this long.
    pub(crate) async fn get(&self, queue: &str, max: usize, hidden: Duration) -> Result<Vec<Message>, Fault> {
        let call = Call {
            operation: "Get Messages",
            method: Method::GET,
            queue,
            path: "/messages".to_owned(),
            query: vec![
                ("numofmessages", max.min(MOST_MESSAGES).to_string()),
                ("visibilitytimeout", seconds(hidden)),
            ],
            body: String::new(),
            succeeds: StatusCode::OK,
        };
        let answer = self.send(call).await?;
        xml::messages(&answer.body).map_err(|why| Fault::unavailable(why).during("Get Messages"))
    }

    /// Hides a message for this long from now, and returns its new pop receipt. Its text stays as it is.
    pub(crate) async fn update(&self, queue: &str, id: &str, receipt: &str, hidden: Duration) -> Result<String, Fault> {
        let call = Call {
            operation: "Update Message",
            method: Method::PUT,
            queue,
            path: format!("/messages/{}", encoded(id)),
            query: vec![
                ("popreceipt", receipt.to_owned()),
                ("visibilitytimeout", seconds(hidden)),
            ],
            body: String::new(),
            succeeds: StatusCode::NO_CONTENT,
        };
        let answer = self.send(call).await?;
        let receipt = answer
            .headers
            .get("x-ms-popreceipt")
            .and_then(|receipt| receipt.to_str().ok());
        let receipt = receipt.ok_or_else(|| Fault::unavailable("Update Message: its answer has no pop receipt"))?;
        Ok(receipt.to_owned())
    }

    pub(crate) async fn delete(&self, queue: &str, id: &str, receipt: &str) -> Result<(), Fault> {
        let call = Call {
            operation: "Delete Message",
            method: Method::DELETE,
            queue,
            path: format!("/messages/{}", encoded(id)),
            query: vec![("popreceipt", receipt.to_owned())],
            body: String::new(),
            succeeds: StatusCode::NO_CONTENT,
        };
        self.send(call).await.map(drop)
    }

    /// Whether the queue exists.
    pub(crate) async fn metadata(&self, queue: &str) -> Result<(), Fault> {
        let call = Call {
            operation: "Get Queue Metadata",
            method: Method::GET,
            queue,
            path: String::new(),
            query: vec![("comp", "metadata".to_owned())],
            body: String::new(),
            succeeds: StatusCode::OK,
        };
        self.send(call).await.map(drop)
    }
}

/// Rounded up: a message is not redelivered early.
fn seconds(duration: Duration) -> String {
    let duration = duration.min(LONGEST_DELAY);
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_rounded_up_and_end_at_seven_days() {
        let millis = |millis| seconds(Duration::from_millis(millis));
        assert_eq!([millis(0), millis(1), millis(1000), millis(1001)], ["0", "1", "1", "2"]);
        assert_eq!(seconds(Duration::MAX), "604800");
    }
}
