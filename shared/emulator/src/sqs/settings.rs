//! Queue attributes that can be set: their ranges, defaults and how they read back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::errors;
use crate::ApiError;

/// 1 MiB, the most a message or a batch of them may have.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 1_048_576;

/// Attributes that change nothing observable here: stored and returned as given.
const KEPT: [&str; 5] = [
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "Policy",
    "RedriveAllowPolicy",
];

/// Ranges and defaults as of
/// [SetQueueAttributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) delay_seconds: u32,
    pub(crate) maximum_message_bytes: u32,
    pub(crate) retention_seconds: u32,
    pub(crate) wait_seconds: u32,
    pub(crate) visibility_seconds: u32,
    pub(crate) redrive: Option<Redrive>,
    pub(crate) fifo: Option<FifoSettings>,
    kept: BTreeMap<String, String>,
}

/// Only FIFO queues have these.
#[derive(Debug, Clone, Default)]
pub(crate) struct FifoSettings {
    pub(crate) content_based_deduplication: bool,
    pub(crate) deduplicate_by_group: bool,
    throughput_by_group: bool,
}

/// Where a message goes after too many receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    pub(crate) max_receive_count: u32,
}

impl Settings {
    pub(crate) fn new(fifo: bool) -> Self {
        Self {
            delay_seconds: 0,
            maximum_message_bytes: MAX_MESSAGE_BYTES,
            retention_seconds: 345_600,
            wait_seconds: 0,
            visibility_seconds: 30,
            redrive: None,
            fifo: fifo.then(FifoSettings::default),
            kept: BTreeMap::from([("SqsManagedSseEnabled".to_owned(), "true".to_owned())]),
        }
    }

    pub(crate) fn visibility(&self) -> Duration {
        Duration::from_secs(self.visibility_seconds.into())
    }

    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_seconds.into())
    }

    /// Sets one attribute by its name in the API.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        match name {
            "DelaySeconds" => self.delay_seconds = number(name, value, 0..=900)?,
            "MaximumMessageSize" => self.maximum_message_bytes = number(name, value, 1024..=MAX_MESSAGE_BYTES)?,
            "MessageRetentionPeriod" => self.retention_seconds = number(name, value, 60..=1_209_600)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_seconds = number(name, value, 0..=20)?,
            "VisibilityTimeout" => self.visibility_seconds = number(name, value, 0..=43_200)?,
            "RedrivePolicy" => self.redrive = Redrive::parse(value)?,
            "FifoQueue" if self.fifo.is_some() => same_type(value)?,
            "ContentBasedDeduplication" | "DeduplicationScope" | "FifoThroughputLimit" => match &mut self.fifo {
                Some(fifo) => fifo.set(name, value)?,
                None if name == "ContentBasedDeduplication" => return Err(errors::unknown_attribute(name)),
                None => return Err(only_for_fifo(name)),
            },
            // An empty value takes a policy or key away.
            _ if KEPT.contains(&name) && value.is_empty() => drop(self.kept.remove(name)),
            _ if KEPT.contains(&name) => drop(self.kept.insert(name.to_owned(), value.to_owned())),
            _ => return Err(errors::unknown_attribute(name)),
        }
        Ok(())
    }

    /// What can only be judged once all attributes of a request are set.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        match &self.fifo {
            Some(fifo) if fifo.throughput_by_group && !fifo.deduplicate_by_group => {
                Err(errors::invalid_attribute_value(
                    "FifoThroughputLimit",
                    "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// All attributes with the names and values that `GetQueueAttributes` gives them.
    pub(crate) fn describe(&self) -> BTreeMap<String, String> {
        let mut all = self.kept.clone();
        let mut add = |name: &str, value: String| all.insert(name.to_owned(), value);
        add("DelaySeconds", self.delay_seconds.to_string());
        add("MaximumMessageSize", self.maximum_message_bytes.to_string());
        add("MessageRetentionPeriod", self.retention_seconds.to_string());
        add("ReceiveMessageWaitTimeSeconds", self.wait_seconds.to_string());
        add("VisibilityTimeout", self.visibility_seconds.to_string());
        if let Some(redrive) = &self.redrive {
            add("RedrivePolicy", redrive.to_string());
        }
        if let Some(fifo) = &self.fifo {
            let choice = |by_group: bool, group: &str, queue: &str| if by_group { group } else { queue }.to_owned();
            add("FifoQueue", "true".to_owned());
            add(
                "ContentBasedDeduplication",
                fifo.content_based_deduplication.to_string(),
            );
            add(
                "DeduplicationScope",
                choice(fifo.deduplicate_by_group, "messageGroup", "queue"),
            );
            add(
                "FifoThroughputLimit",
                choice(fifo.throughput_by_group, "perMessageGroupId", "perQueue"),
            );
        }
        all
    }
}

impl FifoSettings {
    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let (setting, yes, no) = match name {
            "ContentBasedDeduplication" => (&mut self.content_based_deduplication, "true", "false"),
            "DeduplicationScope" => (&mut self.deduplicate_by_group, "messageGroup", "queue"),
            _ => (&mut self.throughput_by_group, "perMessageGroupId", "perQueue"),
        };
        *setting = match value {
            _ if value == yes => true,
            _ if value == no => false,
            _ => {
                return Err(errors::invalid_attribute_value(
                    name,
                    &format!("Must be {yes} or {no}."),
                ));
            }
        };
        Ok(())
    }
}

impl Redrive {
    /// `None` for an empty policy, which takes the redrive away.
    fn parse(policy: &str) -> Result<Option<Self>, ApiError> {
        if policy.is_empty() {
            return Ok(None);
        }
        let invalid = |reason: &str| errors::invalid_value("RedrivePolicy", policy, reason);
        let json: Value =
            serde_json::from_str(policy).map_err(|_| invalid("Redrive policy is not a valid JSON map."))?;
        let target = json["deadLetterTargetArn"].as_str();
        let target = target
            .ok_or_else(|| invalid("Redrive policy does not contain mandatory attribute: deadLetterTargetArn."))?;
        if !target.starts_with("arn:") {
            return Err(invalid("Invalid value for deadLetterTargetArn."));
        }
        let count = match &json["maxReceiveCount"] {
            Value::Null => {
                return Err(invalid(
                    "Redrive policy does not contain mandatory attribute: maxReceiveCount.",
                ));
            }
            Value::String(count) => count.parse().ok(),
            count => count.as_u64(),
        };
        let count = count
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| (1..=1000).contains(count));
        let reason = "Invalid value for maxReceiveCount, valid values are from 1 to 1000 both inclusive.";
        let max_receive_count = count.ok_or_else(|| invalid(reason))?;
        Ok(Some(Self {
            target_arn: target.to_owned(),
            max_receive_count,
        }))
    }
}

impl std::fmt::Display for Redrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        json!({ "deadLetterTargetArn": self.target_arn, "maxReceiveCount": self.max_receive_count }).fmt(f)
    }
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32, ApiError> {
    let in_range = value.parse().ok().filter(|number| range.contains(number));
    let reason = || format!("Must be an integer from {} to {}.", range.start(), range.end());
    in_range.ok_or_else(|| errors::invalid_attribute_value(name, &reason()))
}

fn same_type(fifo: &str) -> Result<(), ApiError> {
    if fifo == "true" {
        return Ok(());
    }
    Err(errors::invalid_attribute_value(
        "FifoQueue",
        "Modifying queue type is not supported.",
    ))
}

fn only_for_fifo(name: &str) -> ApiError {
    errors::sqs(
        "InvalidAttributeName",
        format!("You can specify the {name} only when FifoQueue is set to true."),
    )
}
