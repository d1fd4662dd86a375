//! Outgoing messages.

use idempotency::{OutgoingMessage, Store};

use crate::batch::Batch;
use crate::dead_letter::IDEMPOTENCY_KEY;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::limits::{MAX_ENTRIES, MAX_MESSAGE_BYTES, Unsendable};
use crate::outcome::Outcome;
use crate::{Attribute, Handler, QueueError, QueueMessage, Queues};

/// The messages of a completion as they are sent, in order.
pub(crate) struct Outgoing {
    /// Consecutive messages to one queue are sent together.
    parts: Vec<(String, Vec<QueueMessage>)>,
}

impl Outgoing {
    /// The messages of a completion before it is committed, if no queue is known to refuse one.
    pub(crate) fn checked(messages: &[OutgoingMessage], incoming: &Message) -> Result<Self, Failure> {
        let outgoing = Self::recorded(messages, incoming);
        outgoing.check()?;
        Ok(outgoing)
    }

    /// The messages of a committed completion.
    pub(crate) fn recorded(messages: &[OutgoingMessage], incoming: &Message) -> Self {
        Self::of(messages, incoming.delivery.trace_header())
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
                    .map(|message| queue_message(message, trace_header))
                    .collect(),
            )
        });
        Self { parts: parts.collect() }
    }

    fn check(&self) -> Result<(), Failure> {
        let messages = self
            .parts
            .iter()
            .flat_map(|(queue, part)| part.iter().map(move |message| (queue, message)));
        for (position, (queue, message)) in messages.enumerate() {
            let checked = match queue.ends_with(".fifo") && message.group.is_none() {
                true => Err(Unsendable::Group),
                false => message.check(),
            };
            checked.map_err(|why| Failure::permanent(format!("outgoing message {position} can't be sent: {why}")))?;
        }
        Ok(())
    }
}

fn queue_message(message: &OutgoingMessage, trace_header: Option<&str>) -> QueueMessage {
    let attributes = message.attributes().iter();
    let attributes = attributes.map(|(name, value)| (name.clone(), Attribute::string(value)));
    let key = (
        IDEMPOTENCY_KEY.to_owned(),
        Attribute::string(message.key().unwrap_or_default()),
    );
    QueueMessage {
        body: message.body().to_owned(),
        attributes: attributes.chain([key]).collect(),
        group: message.group().map(str::to_owned),
        deduplication_id: Some(message.deduplication_id()),
        trace_header: trace_header.map(str::to_owned),
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

    /// Sends to one queue, in as many requests as its limits require.
    pub(crate) async fn send(&self, queue_url: &str, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        for request in requests(messages) {
            let sent = self
                .budget
                .for_ledger(self.services.queues.send(queue_url, request))
                .await;
            sent.unwrap_or_else(|| {
                Err(QueueError {
                    queue: queue_url.to_owned(),
                    why: "deadline exceeded".into(),
                })
            })?;
        }
        Ok(())
    }
}

/// Splits messages, in order, so that each part fits a request.
fn requests(messages: Vec<QueueMessage>) -> Vec<Vec<QueueMessage>> {
    let mut requests: Vec<Vec<QueueMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.bytes();
        match requests.last_mut() {
            Some(request) if request.len() < MAX_ENTRIES && bytes <= MAX_MESSAGE_BYTES => request.push(message),
            _ => {
                bytes = message.bytes();
                requests.push(vec![message]);
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(bytes: usize) -> QueueMessage {
        queue_message(&OutgoingMessage::new("q", "x".repeat(bytes)), None)
    }

    #[test]
    fn a_request_holds_ten_messages_and_one_mebibyte_in_order() {
        let lengths = |messages| requests(messages).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths((0..25).map(|_| sized(1)).collect()), [10, 10, 5]);
        assert_eq!(
            lengths(vec![sized(600_000), sized(400_000), sized(60_000), sized(1)]),
            [2, 2]
        );
        assert!(lengths(Vec::new()).is_empty());
        let bodies: Vec<_> = requests((1..=12).map(sized).collect())
            .concat()
            .iter()
            .map(|m| m.body.len())
            .collect();
        assert_eq!(bodies, (1..=12).collect::<Vec<_>>());
    }

    #[test]
    fn an_unsendable_message_is_a_permanent_failure() {
        let why = |message: OutgoingMessage| {
            let messages = [OutgoingMessage::new("q", "fine").with_key("k"), message.with_key("k")];
            let failure = Outgoing::of(&messages, None).check().unwrap_err();
            assert!(failure.is_permanent());
            failure.to_string().replace("outgoing message 1 can't be sent: ", "")
        };
        let fine = || OutgoingMessage::new("q", "fine");
        assert_eq!(why(OutgoingMessage::new("q", "")), "its body is empty");
        assert_eq!(
            why(OutgoingMessage::new("q", "\u{1}")),
            "its body holds characters that SQS does not accept"
        );
        assert!(
            why(OutgoingMessage::new("q", "x".repeat(MAX_MESSAGE_BYTES)))
                .starts_with("body and attributes take 1048597 bytes")
        );
        assert!(why(OutgoingMessage::new("q.fifo", "fine")).starts_with("a FIFO queue wants a message group"));
        assert!(why(fine().with_group("")).starts_with("a FIFO queue wants a message group"));
        assert!(why(fine().with_attribute("AWS.x", "v")).contains("\"AWS.x\""));
        assert!(why(fine().with_attribute("x", "")).contains("\"x\""));
        let ten = (0..10).fold(fine(), |message, n| message.with_attribute(format!("a{n}"), "v"));
        assert_eq!(why(ten), "it has 11 attributes, its key included, of at most 10");
        assert!(Outgoing::of(&[fine()], None).check().is_err(), "without a key");
    }
}
