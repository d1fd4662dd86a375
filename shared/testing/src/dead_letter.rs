//! The messages in a dead-letter queue.

use serde_json::Value;

use crate::TestStack;
use emulator::sqs::QueuedMessage;

/// A message in a dead-letter queue: what `Consumer.Original` and `Consumer.Failure` state; empty where there is nothing.
/// Operators rely on these names, so they are stated here and not taken from the code under test.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetter {
    /// `key` of `Consumer.Original`
    pub key: String,
    /// `reason` of `Consumer.Failure`
    pub reason: String,
    /// `function` of `Consumer.Failure`
    pub function: String,
    /// `receiveCount` of `Consumer.Failure`
    pub receive_count: String,
    /// `messageId` of `Consumer.Original`; without it, the message's ID, which is still its first one.
    pub original_message_id: String,
}

impl DeadLetter {
    /// One that a function sent at a message's first receive, the message's ID being its key.
    pub fn sent(function: &str, message: &str, reason: &str) -> Self {
        Self {
            key: message.to_owned(),
            reason: reason.to_owned(),
            function: function.to_owned(),
            receive_count: "1".to_owned(),
            original_message_id: message.to_owned(),
        }
    }

    /// One that the redrive policy moved: the message as it was.
    pub fn moved(message: &str) -> Self {
        Self {
            original_message_id: message.to_owned(),
            ..Self::default()
        }
    }

    fn read(message: &QueuedMessage) -> Self {
        let json = |name: &str| {
            message
                .attributes
                .get(name)
                .map(|text| -> Value { serde_json::from_str(text).expect("the attribute is JSON") })
                .unwrap_or_default()
        };
        let (original, failure) = (json("Consumer.Original"), json("Consumer.Failure"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message_id = original["messageId"].as_str().unwrap_or(&message.message_id).to_owned();
        Self {
            // Without a key of its own, the message ID is it.
            key: text(original.get("key").unwrap_or(&original["messageId"])),
            reason: text(&failure["reason"]),
            function: text(&failure["function"]),
            receive_count: failure["receiveCount"]
                .as_u64()
                .map(|count| count.to_string())
                .unwrap_or_default(),
            original_message_id: message_id,
        }
    }
}

impl TestStack {
    /// The IDs that the messages in a queue's dead-letter queue had in their own queue, in the order of arrival.
    pub fn dead_letters(&self, queue: &str) -> Vec<String> {
        let dead_letters = self.all_dead_letters(queue).into_iter();
        dead_letters
            .map(|dead_letter| dead_letter.original_message_id)
            .collect()
    }

    /// A message's dead letter in its queue's dead-letter queue.
    pub fn dead_letter(&self, queue: &str, message: &str) -> Option<DeadLetter> {
        let mut dead_letters = self.all_dead_letters(queue).into_iter();
        dead_letters.find(|dead_letter| dead_letter.original_message_id == message)
    }

    fn all_dead_letters(&self, queue: &str) -> Vec<DeadLetter> {
        let messages = self.stack.sqs().peek(&self.dead_letter_queue(queue));
        messages.iter().map(DeadLetter::read).collect()
    }

    fn dead_letter_queue(&self, queue: &str) -> String {
        let mut queues = self.stack.template().queues.iter();
        let policy = queues.find_map(|listed| listed.attributes.get("RedrivePolicy").filter(|_| listed.name == queue));
        let policy = policy.unwrap_or_else(|| panic!("the template has no dead-letter queue for {queue}"));
        let policy: Value = serde_json::from_str(policy).expect("a redrive policy is JSON");
        let arn = policy["deadLetterTargetArn"].as_str();
        let name = arn.and_then(|arn| arn.rsplit(':').next());
        name.expect("a redrive policy has a target").to_owned()
    }
}
