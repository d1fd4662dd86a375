//! The consumer's queues, over Cloud Tasks.

use std::sync::Arc;

use aws::{HttpsClient, https_client};
use consumer::{Limits, QueueError, QueueMessage, Queues};
use futures_util::stream::{self, StreamExt};

use crate::access_token::AccessTokens;
use crate::create::Fault;
use crate::limits::limits;
use crate::task;
use crate::url::QueueUrl;

/// How many tasks are created at a time: each takes a request of its own.
const CONCURRENCY: usize = 10;

/// The queues of Cloud Tasks. It connects at its first use. Clones share connections and access token.
///
/// A destination is the [URL](crate#the-url) of a queue. Requests to an `https` URL carry an access token of this machine's
/// service account; those to an `http` URL, an emulator, carry none.
#[derive(Debug, Clone)]
pub struct CloudTasks {
    pub(crate) client: HttpsClient,
    pub(crate) tokens: Arc<AccessTokens>,
}

impl Default for CloudTasks {
    fn default() -> Self {
        Self::new()
    }
}

impl CloudTasks {
    /// The queues that this machine's service account may use.
    pub fn new() -> Self {
        let client = https_client();
        let tokens = AccessTokens::new(client.clone());
        Self {
            client,
            tokens: Arc::new(tokens),
        }
    }

    /// The same, with access tokens of a metadata server at another URL.
    #[must_use]
    pub fn with_metadata_server(self, url: impl Into<String>) -> Self {
        let tokens = AccessTokens::of(self.client.clone(), url.into());
        Self {
            tokens: Arc::new(tokens),
            ..self
        }
    }
}

impl Queues for CloudTasks {
    /// Creates a task for each message. Cloud Tasks keeps no order, so several are created at a time.
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let name = without_target(queue);
        let url = QueueUrl::parse(queue).map_err(|why| QueueError::refused(name, why))?;
        let requests = messages.iter().map(|message| self.send_one(&url, message));
        // Collected: inside a closure, the compiler could not show that the whole is `Send`.
        let requests: Vec<_> = requests.collect();
        let results: Vec<_> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
        unsent(&results).map_err(|(unsent, why)| QueueError {
            unsent,
            ..QueueError::refused(name, why)
        })
    }

    fn limits(&self, _: &str) -> Limits {
        limits()
    }
}

impl CloudTasks {
    async fn send_one(&self, url: &QueueUrl, message: &QueueMessage) -> Result<(), Fault> {
        let task = task::of_message(url, message).map_err(Fault::refused)?;
        self.create(url, &task).await
    }
}

/// A queue's URL without its query, for errors: that of the target may have a secret.
pub(crate) fn without_target(queue: &str) -> &str {
    queue.split('?').next().unwrap_or_default()
}

/// An error unless all tasks are created: which messages to send again, and why. If one is refused for good, another try can't
/// help.
fn unsent(results: &[Result<(), Fault>]) -> Result<(), (Vec<usize>, Fault)> {
    let faults = || results.iter().filter_map(|result| result.as_ref().err());
    let refused = faults().find(|fault| !fault.passes);
    let Some(why) = refused.or(faults().next()) else {
        return Ok(());
    };
    let failed = results.iter().enumerate().filter(|(_, result)| result.is_err());
    let unsent = failed.map(|(position, _)| position).filter(|_| refused.is_none());
    Err((unsent.collect(), why.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_created_is_sent_again() {
        let busy = || Err(Fault::passing("busy"));
        let positions = |results: &[Result<(), Fault>]| unsent(results).map_err(|(unsent, _)| unsent);
        assert_eq!(positions(&[Ok(()), Ok(())]), Ok(()));
        assert_eq!(positions(&[Ok(()), busy(), Ok(()), busy()]), Err(vec![1, 3]));
        let refused = [busy(), Err(Fault::refused("no")), Ok(())];
        let (positions, why) = unsent(&refused).unwrap_err();
        assert_eq!((positions, why.to_string()), (vec![], "no".to_owned()));
    }
}
