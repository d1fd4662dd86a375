//! Queue attributes that can be set: their ranges, defaults and how they read back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::encryption::Encryption;
use super::errors;
use super::redrive::{Redrive, RedriveAllow};
use crate::ApiError;

/// 1 MiB, the most a message or a batch of them may have.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 1_048_576;

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
    pub(crate) redrive_allow: RedriveAllow,
    encryption: Encryption,
    /// Changes nothing here: stored and returned as given.
    policy: Option<String>,
}

/// Only FIFO queues have these.
#[derive(Debug, Clone, Default)]
pub(crate) struct FifoSettings {
    pub(crate) content_based_deduplication: bool,
    pub(crate) deduplicate_by_group: bool,
    throughput_by_group: bool,
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
            redrive_allow: RedriveAllow::default(),
            encryption: Encryption::default(),
            policy: None,
        }
    }

    pub(crate) fn visibility(&self) -> Duration {
        Duration::from_secs(self.visibility_seconds.into())
    }

    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_seconds.into())
    }

    /// Sets attributes by their names in the API. Not all may be set if there is an error.
    pub(crate) fn set_all(&mut self, attributes: &[(&str, &str)]) -> Result<(), ApiError> {
        Encryption::check_one_kind(attributes)?;
        attributes.iter().try_for_each(|(name, value)| self.set(name, value))?;
        self.check()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
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
            "RedriveAllowPolicy" => self.redrive_allow = RedriveAllow::parse(value)?,
            "Policy" => self.policy = policy(value)?,
            _ if Encryption::NAMES.contains(&name) => self.encryption.set(name, value)?,
            _ => return Err(errors::unknown_attribute(name)),
        }
        Ok(())
    }

    /// What can only be judged once all attributes of a request are set.
    fn check(&self) -> Result<(), ApiError> {
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
        let mut all = self.encryption.describe();
        let mut add = |name: &str, value: String| all.insert(name.to_owned(), value);
        add("DelaySeconds", self.delay_seconds.to_string());
        add("MaximumMessageSize", self.maximum_message_bytes.to_string());
        add("MessageRetentionPeriod", self.retention_seconds.to_string());
        add("ReceiveMessageWaitTimeSeconds", self.wait_seconds.to_string());
        add("VisibilityTimeout", self.visibility_seconds.to_string());
        if let Some(policy) = &self.policy {
            add("Policy", policy.clone());
        }
        if let Some(policy) = self.redrive_allow.text() {
            add("RedriveAllowPolicy", policy.to_owned());
        }
        if let Some(redrive) = &self.redrive {
            add("RedrivePolicy", redrive.describe());
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

pub(super) fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32, ApiError> {
    let in_range = value.parse().ok().filter(|number| range.contains(number));
    let reason = || format!("Must be an integer from {} to {}.", range.start(), range.end());
    in_range.ok_or_else(|| errors::invalid_attribute_value(name, &reason()))
}

/// `None` for an empty value, which takes the policy away.
fn policy(text: &str) -> Result<Option<String>, ApiError> {
    if !text.is_empty() && serde_json::from_str::<Map<String, Value>>(text).is_err() {
        return Err(errors::invalid_attribute_value("Policy", "It is not a JSON object."));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
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
