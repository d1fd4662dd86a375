//! Encryption settings, which change nothing here but each other.

use std::collections::BTreeMap;

use super::errors;
use super::settings::number;
use crate::ApiError;

/// How a queue says that it encrypts: with keys of SQS, with a key of KMS, or not at all. See
/// [SetQueueAttributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
#[derive(Debug, Clone)]
pub(crate) struct Encryption {
    managed_by_sqs: bool,
    kms_key: Option<String>,
    reuse_seconds: Option<u32>,
}

impl Default for Encryption {
    fn default() -> Self {
        Self {
            managed_by_sqs: true,
            kms_key: None,
            reuse_seconds: None,
        }
    }
}

impl Encryption {
    pub(super) const NAMES: [&str; 3] = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"];

    /// A request can't turn on both kinds.
    pub(super) fn check_one_kind(attributes: &[(&str, &str)]) -> Result<(), ApiError> {
        let kms = attributes
            .iter()
            .any(|(name, value)| *name == "KmsMasterKeyId" && !value.is_empty());
        if kms && attributes.contains(&("SqsManagedSseEnabled", "true")) {
            let message = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.";
            return Err(errors::sqs("InvalidAttributeName", message));
        }
        Ok(())
    }

    /// Turning on one kind turns off the other.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        match name {
            "KmsMasterKeyId" if value.is_empty() => self.kms_key = None,
            "KmsMasterKeyId" => {
                self.kms_key = Some(value.to_owned());
                self.managed_by_sqs = false;
            }
            "KmsDataKeyReusePeriodSeconds" => self.reuse_seconds = Some(number(name, value, 60..=86_400)?),
            _ if value == "true" => *self = Self::default(),
            _ if value == "false" => self.managed_by_sqs = false,
            _ => return Err(errors::invalid_attribute_value(name, "Must be true or false.")),
        }
        Ok(())
    }

    pub(super) fn describe(&self) -> BTreeMap<String, String> {
        let kms = self.kms_key.clone().map(|key| {
            let seconds = self.reuse_seconds.unwrap_or(300).to_string();
            [("KmsMasterKeyId", key), ("KmsDataKeyReusePeriodSeconds", seconds)]
        });
        let managed = ("SqsManagedSseEnabled", self.managed_by_sqs.to_string());
        let all = kms.into_iter().flatten().chain([managed]);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
