//! Outgoing messages.

use idempotency::{Backoff, OutgoingMessage, Store};
use tokio::time::timeout_at;

use crate::batch::Batch;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::outcome::Outcome;
use crate::{Handler, QueueError, QueueMessage, Queues};

/// The messages of a completion as they are sent, in order.
pub(crate) struct Outgoing {
    /// Consecutive messages to one queue are sent together.
    parts: Vec<(String, Vec<QueueMessage>)>,
}

impl Outgoing {
    /// Messages of a completion that is not committed yet, if all of them can be sent as far as can be known before.
    pub(crate) fn checked(
        messages: &[OutgoingMessage],
        incoming: &Message,
        queues: &impl Queues,
    ) -> Result<Self, Failure> {
        let outgoing = Self::recorded(messages, incoming);
        outgoing.check(queues)?;
        Ok(outgoing)
    }

    /// The messages of a committed completion.
    pub(crate) fn recorded(messages: &[OutgoingMessage], incoming: &Message) -> Self {
        Self::of(messages, incoming.delivery.trace_to_send())
    }

    fn of(messages: &[OutgoingMessage], trace_header: Option<&str>) -> Self {
        let parts = messages.chunk_by(|one, next| one.queue_url() == next.queue_url());
        let parts = parts.map(|part| {
            let queue = part
                .first()
                .map_or_else(String::new, |first| first.queue_url().to_owned());
            (
                queue,
                part.iter()
                    .map(|message| QueueMessage::of_outgoing(message, trace_header))
                    .collect(),
            )
        });
        Self { parts: parts.collect() }
    }

    fn check(&self, queues: &impl Queues) -> Result<(), Failure> {
        let mut position = 0;
        for (queue, part) in &self.parts {
            let limits = queues.limits(queue);
            for message in part {
                let checked = limits.check(message);
                checked
                    .map_err(|why| Failure::permanent(format!("outgoing message {position} can't be sent: {why}")))?;
                position += 1;
            }
        }
        Ok(())
    }
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// Sends the messages, then returns the outcome `then`; a failure if not all are sent.
    pub(crate) async fn send_then(&self, outgoing: Outgoing, then: Outcome) -> Outcome {
        for (queue, messages) in outgoing.parts {
            if let Err(error) = self.send(&queue, messages).await {
                return Outcome::failed(format!(
                    "recorded as done, but not all its messages are sent: {}",
                    Chain(&error)
                ));
            }
        }
        then
    }

    /// Sends to one queue. What is not sent is sent again, until the time for the queues ends.
    pub(crate) async fn send(&self, queue: &str, mut messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let end = self.budget.ledger_end();
        let mut backoff = Backoff::until(end);
        loop {
            let sent = timeout_at(end, self.services.queues.send(queue, &messages)).await;
            let error = match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => return Err(QueueError::refused(queue, "deadline exceeded")),
            };
            if error.unsent.is_empty() || !backoff.pause().await {
                return Err(error);
            }
            let mut position = 0..;
            messages.retain(|_| position.next().is_some_and(|position| error.unsent.contains(&position)));
            if messages.is_empty() {
                // The positions are not those of messages: nothing is proven to be sent.
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryQueues;

    const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

    #[test]
    fn an_unsendable_message_is_a_permanent_failure() {
        let why = |message: OutgoingMessage| {
            let messages = [OutgoingMessage::new("q", "fine").with_key("k"), message.with_key("k")];
            let failure = Outgoing::of(&messages, None).check(&MemoryQueues::new()).unwrap_err();
            assert!(failure.is_permanent());
            failure.to_string().replace("outgoing message 1 can't be sent: ", "")
        };
        let fine = || OutgoingMessage::new("q", "fine");
        assert_eq!(why(OutgoingMessage::new("q", "")), "its body is empty");
        assert_eq!(
            why(OutgoingMessage::new("q", "\u{1}")),
            "its body contains characters that the queue does not accept"
        );
        assert!(
            why(OutgoingMessage::new("q", "x".repeat(MAX_MESSAGE_BYTES)))
                .starts_with("body and attributes take 1048597 bytes")
        );
        assert!(why(OutgoingMessage::new("q.fifo", "fine")).starts_with("it needs a message group"));
        assert!(why(fine().with_group("")).starts_with("it needs a message group"));
        assert!(why(fine().with_attribute("", "v")).contains("\"\""));
        assert!(why(fine().with_attribute("x", "")).contains("\"x\""));
        let ten = (0..10).fold(fine(), |message, n| message.with_attribute(format!("a{n}"), "v"));
        assert_eq!(why(ten), "it has 11 attributes, its key included, of at most 10");
        assert!(
            Outgoing::of(&[fine()], None).check(&MemoryQueues::new()).is_err(),
            "without a key"
        );
    }
}
