//! Whether a queue exists that messages are sent to.

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::QueueAttributeName;
use consumer::{Chain, SourceError};

use super::fault::{EntryError, Permission, Place, last_part};
use crate::Sqs;

impl Sqs {
    /// Checks that a queue exists, if this process may read its attributes: sending requires no `sqs:GetQueueAttributes`. What is denied
    /// is logged at debug level.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. `Refused`: the queue is missing; the text states what to do. `Unavailable`: it is unknown.
    pub async fn check(&self, queue_url: &str) -> Result<(), SourceError> {
        let place = Place::new(&self.0, queue_url.to_owned());
        let request = self.0.get_queue_attributes().queue_url(queue_url);
        let reply = request.attribute_names(QueueAttributeName::QueueArn).send().await;
        let Err(error) = reply else {
            return Ok(());
        };
        let is_denied = error.code().map(last_part).is_some_and(|code| DENIED.contains(&code));
        let error = EntryError::of_request(error, Permission::Attributes, &place).of_queue(queue_url);
        if is_denied {
            tracing::debug!("not checked: {}", Chain(&error));
            return Ok(());
        }
        Err(error)
    }
}

const DENIED: [&str; 2] = ["AccessDenied", "AccessDeniedException"];
