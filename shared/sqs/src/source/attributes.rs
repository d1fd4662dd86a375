//! What a queue states of itself.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use consumer::QueueOrder;
use serde_json::Value;

use super::LONGEST;
use super::fault::{EntryError, Permission, Place};
use crate::limits::is_fifo;

/// The visibility timeout of a queue that does not state one
/// ([SetQueueAttributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html)).
const DEFAULT_WINDOW: Duration = Duration::from_secs(30);
/// Less leaves no time for several extensions, each of which may have to be tried again.
const SHORTEST_WINDOW: Duration = Duration::from_secs(10);

/// Not `FifoQueue`: the name states it, and only FIFO queues have the attribute.
const READ: [QueueAttributeName; 3] = [
    QueueAttributeName::QueueArn,
    QueueAttributeName::VisibilityTimeout,
    QueueAttributeName::RedrivePolicy,
];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueueAttributes {
    pub(super) arn: Option<String>,
    pub(super) window: Duration,
    pub(super) max_receive_count: Option<NonZeroU32>,
    dead_letter_arn: Option<String>,
}

pub(super) async fn read(client: &Client, place: &Place) -> Result<QueueAttributes, EntryError> {
    let request = client
        .get_queue_attributes()
        .queue_url(&place.url)
        .set_attribute_names(Some(READ.to_vec()));
    let reply = request.send().await;
    let reply = reply.map_err(|error| EntryError::of_request(error, Permission::Attributes, place))?;
    Ok(QueueAttributes::of(reply.attributes.unwrap_or_default()))
}

impl QueueAttributes {
    /// What can't be read counts as not stated.
    fn of(mut attributes: HashMap<QueueAttributeName, String>) -> Self {
        let timeout = attributes.get(&QueueAttributeName::VisibilityTimeout);
        let timeout = timeout
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let policy = attributes.get(&QueueAttributeName::RedrivePolicy);
        let policy: Value = policy
            .and_then(|policy| serde_json::from_str(policy).ok())
            .unwrap_or_default();
        // A template may have written the number as a string.
        let receives = match &policy["maxReceiveCount"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        Self {
            arn: attributes.remove(&QueueAttributeName::QueueArn),
            window: timeout.unwrap_or(DEFAULT_WINDOW).clamp(SHORTEST_WINDOW, LONGEST),
            max_receive_count: receives.and_then(NonZeroU32::new),
            dead_letter_arn: policy["deadLetterTargetArn"].as_str().map(str::to_owned),
        }
    }

    pub(super) fn order(&self, url: &str) -> QueueOrder {
        match is_fifo(url) {
            true => QueueOrder::Groups,
            false => QueueOrder::Unordered,
        }
    }

    /// The queue's own URL with another name: it is right at other endpoints, too.
    pub(super) fn dead_letter_queue(&self, url: &str) -> Option<String> {
        let (place, name) = self.dead_letter_arn.as_deref()?.rsplit_once(':')?;
        let (own_place, _) = self.arn.as_deref()?.rsplit_once(':')?;
        let (base, _) = url.rsplit_once('/')?;
        (place == own_place).then(|| format!("{base}/{name}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;

    const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";

    fn of(attributes: &[(QueueAttributeName, &str)]) -> QueueAttributes {
        let attributes = attributes.iter();
        QueueAttributes::of(
            attributes
                .map(|(name, value)| (name.clone(), (*value).to_owned()))
                .collect(),
        )
    }

    fn with_policy(policy: &str) -> QueueAttributes {
        of(&[
            (QueueAttributeName::QueueArn, ARN),
            (QueueAttributeName::RedrivePolicy, policy),
        ])
    }

    #[test]
    fn the_window_is_the_visibility_timeout_from_ten_seconds_on() {
        for (timeout, window) in [("0", 10), ("9", 10), ("11", 11), ("43200", 43_200), ("x", 30)] {
            let read = of(&[(QueueAttributeName::VisibilityTimeout, timeout)]);
            assert_eq!(read.window, Duration::from_secs(window), "{timeout}");
        }
        assert_eq!(of(&[]).window, DEFAULT_WINDOW);
    }

    #[test]
    fn the_redrive_policy_names_the_last_receive() {
        for (policy, expected) in [
            (r#"{"maxReceiveCount": 5}"#, Some(5)),
            (r#"{"maxReceiveCount": "5"}"#, Some(5)),
            (r#"{"maxReceiveCount": 0}"#, None),
            (r#"{"maxReceiveCount": -1}"#, None),
            ("{", None),
        ] {
            let expected = expected.and_then(NonZeroU32::new);
            assert_eq!(with_policy(policy).max_receive_count, expected, "{policy}");
        }
    }

    #[test]
    fn the_dead_letter_queue_has_the_url_of_its_neighbour() {
        let dead_letter_queue = |arn: &str, url: &str| {
            let policy = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": 5});
            with_policy(&policy.to_string()).dead_letter_queue(url)
        };
        let there = "arn:aws:sqs:eu-west-1:123456789012:orders-dlq";
        assert_eq!(dead_letter_queue(there, URL).unwrap(), format!("{URL}-dlq"));
        let local = dead_letter_queue(there, "http://localhost:4566/123456789012/orders");
        assert_eq!(local.unwrap(), "http://localhost:4566/123456789012/orders-dlq");
        assert_eq!(dead_letter_queue("arn:aws:sqs:eu-west-1:210987654321:dlq", URL), None);
        assert_eq!(dead_letter_queue("orders-dlq", URL), None);
        assert_eq!(with_policy("{}").dead_letter_queue(URL), None);
    }

    #[test]
    fn only_a_fifo_queue_is_ordered() {
        assert!(!of(&[]).order(URL).is_ordered());
        assert_eq!(of(&[]).order(&format!("{URL}.fifo")), QueueOrder::Groups);
    }
}
