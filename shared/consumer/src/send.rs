//! Outgoing messages.

use futures_util::stream::{self, StreamExt};
use idempotency::{Backoff, OutgoingMessage, Store};
use tokio::time::timeout_at;

use crate::batch::Batch;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::outcome::Outcome;
use crate::{Handler, QueueError, QueueMessage, Queues};

/// How many queues of one completion are sent to concurrently.
const CONCURRENT_QUEUES: usize = 10;

/// The messages of a completion as they are sent: per queue, in order.
pub(crate) struct Outgoing(Vec<(String, Vec<QueueMessage>)>);

impl Outgoing {
    /// Messages of a completion that is not committed yet, if all of them can be sent as far as can be known before.
    pub(crate) fn checked(
        messages: &[OutgoingMessage],
        incoming: &Message,
        queues: &impl Queues,
    ) -> Result<Self, Failure> {
        if messages.is_empty() {
            return Ok(Self::none());
        }
        let messages = queue_messages(messages, incoming.delivery.trace_to_send());
        check(&messages, queues)?;
        Ok(Self::of(messages, incoming, queues))
    }

    /// The messages of a committed completion.
    pub(crate) fn recorded(messages: &[OutgoingMessage], incoming: &Message, queues: &impl Queues) -> Self {
        if messages.is_empty() {
            return Self::none();
        }
        let messages = queue_messages(messages, incoming.delivery.trace_to_send());
        Self::of(messages, incoming, queues)
    }

    /// What most messages send: without a look at their traces.
    fn none() -> Self {
        Self(Vec::new())
    }

    fn of(messages: Vec<(&str, QueueMessage)>, incoming: &Message, all: &impl Queues) -> Self {
        let mut queues: Vec<(String, Vec<QueueMessage>)> = Vec::new();
        let trace = incoming.delivery.trace_context();
        for (queue, mut message) in messages {
            if let Some(trace) = &trace {
                trace.add_to(&mut message, &all.limits(queue));
            }
            match queues.iter_mut().find(|(url, _)| url == queue) {
                Some((_, messages)) => messages.push(message),
                None => queues.push((queue.to_owned(), vec![message])),
            }
        }
        Self(queues)
    }
}

fn check(messages: &[(&str, QueueMessage)], queues: &impl Queues) -> Result<(), Failure> {
    for (position, (queue, message)) in messages.iter().enumerate() {
        let checked = queues.limits(queue).check(message);
        checked.map_err(|why| {
            Failure::permanent(format!("outgoing message {position} can't be sent to {queue}: {why}"))
        })?;
    }
    Ok(())
}

/// Each message with its queue.
fn queue_messages<'a>(messages: &'a [OutgoingMessage], trace_header: Option<&str>) -> Vec<(&'a str, QueueMessage)> {
    let messages = messages.iter();
    messages
        .map(|message| (message.queue_url(), QueueMessage::of_outgoing(message, trace_header)))
        .collect()
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// Sends the messages, then returns the outcome `then`; a failure if not all are sent.
    ///
    /// A queue that is missing or does not answer does not keep the messages to the others back.
    pub(crate) async fn send_then(&self, outgoing: Outgoing, then: Outcome) -> Outcome {
        if outgoing.0.is_empty() {
            return then;
        }
        let sent = stream::iter(outgoing.0)
            .map(async |(queue, messages)| self.send(&queue, messages).await)
            .buffer_unordered(CONCURRENT_QUEUES);
        let failed: Vec<_> = sent.filter_map(async |sent| sent.err()).collect().await;
        match failed.first() {
            None => then,
            Some(error) => Outcome::failed(format!(
                "recorded as done, but not all its messages are sent: {}",
                Chain(error)
            )),
        }
    }

    /// Sends to one queue. What is not sent is sent again, until the time for the queues ends.
    pub(crate) async fn send(&self, queue: &str, mut messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let end = self.budget.ledger_end();
        let (mut backoff, mut before) = (Backoff::until(end), None);
        loop {
            // On the heap, as the ledger's requests are.
            let sent = timeout_at(end, Box::pin(self.services.queues.send(queue, &messages))).await;
            let error = match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                // What came before it states more.
                Err(_) => return Err(before.unwrap_or_else(|| QueueError::refused(queue, "deadline exceeded"))),
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
            before = Some(error);
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
            let failure = check(&queue_messages(&messages, None), &MemoryQueues::new()).unwrap_err();
            assert!(failure.is_permanent());
            let failure = failure.to_string();
            let why = failure.strip_prefix("outgoing message 1 can't be sent to q").unwrap();
            why.trim_start_matches(".fifo").trim_start_matches(": ").to_owned()
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
        assert!(why(OutgoingMessage::new("q.fifo", "fine")).starts_with("it has no message group, and"));
        assert!(why(fine().with_group("")).starts_with("its message group has a name"));
        assert!(why(fine().with_attribute("", "v")).contains("\"\""));
        assert!(why(fine().with_attribute("x", "")).contains("\"x\""));
        let ten = (0..10).fold(fine(), |message, n| message.with_attribute(format!("a{n}"), "v"));
        assert_eq!(why(ten), "it has 11 attributes, its key included, of at most 10");
        assert!(
            check(&queue_messages(&[fine()], None), &MemoryQueues::new()).is_err(),
            "without a key"
        );
    }
}
