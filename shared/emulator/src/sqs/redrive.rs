//! Redrive policies: of a source queue, and of a dead-letter queue.

use std::fmt;

use serde_json::{Value, json};

use super::errors;
use crate::ApiError;

/// Where a message goes after too many receives.
#[derive(Debug, Clone)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    pub(crate) max_receive_count: u32,
    /// As it was set, for errors.
    text: String,
}

impl Redrive {
    /// `None` for an empty policy, which takes the redrive away.
    pub(super) fn parse(policy: &str) -> Result<Option<Self>, ApiError> {
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
            text: policy.to_owned(),
        }))
    }

    /// As `GetQueueAttributes` shows it.
    pub(super) fn describe(&self) -> String {
        json!({ "deadLetterTargetArn": self.target_arn, "maxReceiveCount": self.max_receive_count }).to_string()
    }
}

impl fmt::Display for Redrive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Which queues may use this one as their dead-letter queue, see `RedriveAllowPolicy` of
/// [SetQueueAttributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
#[derive(Debug, Clone, Default)]
pub(crate) struct RedriveAllow {
    /// As it was set; none allows all.
    text: Option<String>,
    /// ARNs of the only sources; `None`: all.
    only: Option<Vec<String>>,
}

impl RedriveAllow {
    pub(super) fn parse(policy: &str) -> Result<Self, ApiError> {
        if policy.is_empty() {
            return Ok(Self::default());
        }
        let invalid = |reason: &str| errors::invalid_value("RedriveAllowPolicy", policy, reason);
        let json: Value =
            serde_json::from_str(policy).map_err(|_| invalid("Redrive allow policy is not a valid JSON map."))?;
        let sources: Option<Vec<_>> = match &json["sourceQueueArns"] {
            Value::Null => None,
            Value::Array(arns) => arns.iter().map(|arn| arn.as_str().map(str::to_owned)).collect(),
            _ => return Err(invalid("sourceQueueArns must be a list of ARNs.")),
        };
        let only = match (json["redrivePermission"].as_str(), sources) {
            (Some("allowAll"), None) => None,
            (Some("denyAll"), None) => Some(Vec::new()),
            (Some("byQueue"), Some(sources)) if (1..=10).contains(&sources.len()) => Some(sources),
            (Some("byQueue"), _) => return Err(invalid("byQueue needs 1 to 10 ARNs in sourceQueueArns.")),
            (Some("allowAll" | "denyAll"), Some(_)) => return Err(invalid("sourceQueueArns is for byQueue only.")),
            _ => return Err(invalid("redrivePermission must be allowAll, denyAll or byQueue.")),
        };
        let text = Some(policy.to_owned());
        Ok(Self { text, only })
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(super) fn allows(&self, source_arn: &str) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|sources| sources.iter().any(|arn| arn == source_arn))
    }
}
