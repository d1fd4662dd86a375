//! Outgoing messages.

use idempotency::{Ledger, OutgoingMessage};

use crate::dead_letter::IDEMPOTENCY_KEY;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::limits::{MAX_ENTRIES, MAX_MESSAGE_BYTES, Unsendable};
use crate::outcome::Outcome;
use crate::work::Batch;
use crate::{Attribute, Handler, QueueError, QueueMessage, Queues};

/// Whether all messages can be sent, as far as they themselves can tell.
pub(crate) fn check(outgoing: &[OutgoingMessage]) -> Result<(), Failure> {
    for (position, message) in outgoing.iter().enumerate() {
        let ungrouped = message.queue_url().ends_with(".fifo") && message.group().is_none();
        let checked = match ungrouped {
            true => Err(Unsendable::Group),
            false => queue_message(message, None).check(),
        };
        checked.map_err(|why| Failure::permanent(format!("outgoing message {position} can't be sent: {why}")))?;
    }
    Ok(())
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

impl<H: Handler, L: Ledger, Q: Queues> Batch<'_, H, L, Q> {
    /// The outcome, once the messages that belong to it are sent.
    pub(crate) async fn send_then(&self, message: &Message, outgoing: Vec<OutgoingMessage>, then: Outcome) -> Outcome {
        let mut outgoing = outgoing.as_slice();
        while let [first, ..] = outgoing {
            let queue = first.queue_url();
            let same = outgoing
                .iter()
                .take_while(|message| message.queue_url() == queue)
                .count();
            let (next, rest) = outgoing.split_at(same);
            let trace = message.delivery.trace_header();
            let messages = next.iter().map(|message| queue_message(message, trace)).collect();
            if let Err(error) = self.send(queue, messages).await {
                return Outcome::failed(format!(
                    "recorded as done, but not all its messages are sent: {}",
                    Chain(&error)
                ));
            }
            outgoing = rest;
        }
        then
    }

    /// Sends to one queue, in as many requests as its limits demand.
    pub(crate) async fn send(&self, queue_url: &str, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        for request in requests(messages) {
            let sent = self
                .budget
                .for_ledger(self.services.queues.send(queue_url, request))
                .await;
            sent.unwrap_or_else(|| {
                Err(QueueError {
                    queue: queue_url.to_owned(),
                    why: "it did not answer before the time was up".into(),
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
    fn a_request_holds_ten_messages_and_a_mebibyte_and_keeps_their_order() {
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
    fn what_sqs_would_refuse_is_a_permanent_failure_that_says_which_and_why() {
        let why = |message: OutgoingMessage| {
            let failure = check(&[OutgoingMessage::new("q", "fine").with_key("k"), message.with_key("k")]).unwrap_err();
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
        assert!(check(&[fine()]).is_err(), "a message without a key is no message");
    }
}
