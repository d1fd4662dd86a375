//! The consumer's queues, over RabbitMQ.

use std::ops::Range;
use std::sync::Arc;

use consumer::{Limits, QueueError, QueueMessage, Queues, SourceError, SourceFault};

use crate::RabbitMqUrl;
use crate::fault::Fault;
use crate::limits::limits;
use crate::properties::Publication;
use crate::publisher::Publisher;

/// What the name of a destination begins with.
const SCHEME: &str = "amqp:";
/// Messages of one request. The broker confirms many at once, and 100 messages of 16 MiB are too many to hold.
const MOST_MESSAGES: usize = 100;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The queues of one broker, over one connection for publishing. It connects at its first use. Clones share the connection.
///
/// A destination is `amqp:NAME`, the queue with that name in the URL's virtual host. It must exist.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    pub(crate) publisher: Arc<Publisher>,
}

impl RabbitMq {
    /// The queues of the broker that the URL names.
    pub fn new(url: RabbitMqUrl) -> Self {
        let publisher = Arc::new(Publisher::new(url));
        Self { publisher }
    }

    /// Checks that a destination exists, if this user may declare it passively. What is denied is logged at debug level.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. `Refused`: the queue is missing; the text states what to do. `Unavailable`: it is unknown.
    pub async fn check(&self, destination: &str) -> Result<(), SourceError> {
        let checked = match queue_name(destination) {
            Ok(queue) => self.publisher.check(queue).await,
            Err(why) => Err(Fault::refused(why)),
        };
        checked.map_err(|fault| fault.of_queue(destination))
    }
}

impl Queues for RabbitMq {
    async fn send(&self, destination: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let refused = |why: String| QueueError::refused(destination, why);
        let queue = queue_name(destination).map_err(refused)?;
        let publications: Result<Vec<_>, _> = messages.iter().map(Publication::of).collect();
        let publications = publications.map_err(refused)?;
        for request in requests(messages) {
            let results = self.publisher.publish(queue, &publications[request.clone()]).await;
            // The order is kept: what follows a request that failed is not sent before it.
            unsent(&results, &request, messages.len()).map_err(|(unsent, why)| QueueError {
                unsent,
                ..QueueError::refused(destination, why)
            })?;
        }
        Ok(())
    }

    fn limits(&self, _: &str) -> Limits {
        limits()
    }
}

/// The destination of a queue.
pub(crate) fn destination(queue: &str) -> String {
    format!("{SCHEME}{queue}")
}

fn queue_name(destination: &str) -> Result<&str, String> {
    let name = destination
        .strip_prefix(SCHEME)
        .filter(|name| (1..=255).contains(&name.len()));
    let why = || format!("destination {destination:?} is no queue of RabbitMQ; write amqp:NAME");
    name.ok_or_else(why)
}

/// Splits messages, in order, so that each part can be sent at once.
///
/// A part has one message of each group. The broker may reject one message and accept those after it, and sent again the one
/// would arrive behind messages of its group.
fn requests(messages: &[QueueMessage]) -> Vec<Range<usize>> {
    let mut requests: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (position, message) in messages.iter().enumerate() {
        bytes += message.bytes();
        let fits = |request: &Range<usize>| {
            let before = &messages[request.clone()];
            let same_group = || before.iter().any(|other| other.group == message.group);
            before.len() < MOST_MESSAGES && bytes <= MOST_BYTES && !(message.group.is_some() && same_group())
        };
        match requests.last_mut().filter(|request| fits(request)) {
            Some(request) => request.end += 1,
            None => {
                bytes = message.bytes();
                requests.push(position..position + 1);
            }
        }
    }
    requests
}

/// An error unless all messages of a request are confirmed: which of all messages to send again, and why. If one is refused for
/// good, another try can't help.
fn unsent(results: &[Result<(), Fault>], request: &Range<usize>, all: usize) -> Result<(), (Vec<usize>, Fault)> {
    let faults = || results.iter().filter_map(|result| result.as_ref().err());
    let refused = faults().find(|fault| fault.means == SourceFault::Refused);
    let Some(why) = refused.or(faults().next()) else {
        return Ok(());
    };
    let failed = request
        .clone()
        .zip(results)
        .filter(|(_, result)| result.is_err())
        .map(|(position, _)| position);
    let unsent = failed.chain(request.end..all).filter(|_| refused.is_none());
    Err((unsent.collect(), why.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(group: Option<&str>, bytes: usize) -> QueueMessage {
        QueueMessage {
            body: "x".repeat(bytes),
            attributes: [].into(),
            group: group.map(str::to_owned),
            deduplication_id: None,
            trace_header: None,
        }
    }

    #[test]
    fn a_destination_is_amqp_and_the_name() {
        assert_eq!(queue_name(&destination("orders")), Ok("orders"));
        for destination in [
            "orders",
            "amqp:",
            "https://sqs/1/orders",
            &format!("amqp:{}", "q".repeat(256)),
        ] {
            assert!(
                queue_name(destination).unwrap_err().contains("write amqp:NAME"),
                "{destination}"
            );
        }
    }

    #[test]
    fn a_request_has_one_message_of_each_group() {
        let messages = ["a", "b", "a", "a", "c", "b"].map(|group| message(Some(group), 1));
        assert_eq!(requests(&messages), [0..2, 2..3, 3..6]);
        let ungrouped = vec![message(None, 1); 250];
        assert_eq!(requests(&ungrouped), [0..100, 100..200, 200..250]);
        let large = vec![message(None, 9 * 1024 * 1024); 2];
        assert_eq!(requests(&large), [0..1, 1..2]);
    }

    #[test]
    fn what_is_not_confirmed_is_sent_again_with_all_that_follows() {
        let busy = || Err(Fault::unavailable("busy"));
        let (positions, why) = unsent(&[Ok(()), busy(), Ok(()), busy()], &(10..14), 16).unwrap_err();
        assert_eq!((positions, why.why.as_str()), (vec![11, 13, 14, 15], "busy"));
        assert!(unsent(&[Ok(()), Ok(())], &(0..2), 9).is_ok());
    }

    #[test]
    fn what_is_refused_for_good_is_not_sent_again() {
        let results = [Err(Fault::unavailable("busy")), Err(Fault::refused("missing"))];
        let (positions, why) = unsent(&results, &(0..2), 9).unwrap_err();
        assert_eq!((positions, why.why.as_str()), (vec![], "missing"));
    }
}
