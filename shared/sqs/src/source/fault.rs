//! What the errors of SQS mean for a host that polls.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use aws::service_error;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use consumer::{SourceError, SourceFault};

use crate::failed::{is_throttled, may_pass};

/// Codes of a receipt handle that is no longer valid. `InvalidParameterValue` is the code of a handle that is expired, and of a
/// timeout beyond 12 hours
/// ([ChangeMessageVisibility](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html)).
const LOST: [&str; 5] = [
    "InvalidIdFormat",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
];

/// Where a queue is, for requests and for error texts.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) url: String,
    region: Option<String>,
}

impl Place {
    pub(super) fn new(client: &Client, url: String) -> Self {
        let region = client.config().region().map(ToString::to_string);
        Self { url, region }
    }
}

/// The permissions of a host that polls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Permission {
    Attributes,
    Receive,
    Delete,
    ChangeVisibility,
}

impl Permission {
    fn name(self) -> &'static str {
        match self {
            Self::Attributes => "sqs:GetQueueAttributes",
            Self::Receive => "sqs:ReceiveMessage",
            Self::Delete => "sqs:DeleteMessage",
            Self::ChangeVisibility => "sqs:ChangeMessageVisibility",
        }
    }
}

/// Why a request failed, or one of its entries. Cheap to copy, because a request fails for each of its entries.
#[derive(Debug, Clone)]
pub(super) struct EntryError {
    pub(super) fault: SourceFault,
    why: Why,
}

#[derive(Debug, Clone)]
struct Why(Arc<dyn Error + Send + Sync>);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Why {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl EntryError {
    pub(super) fn new(fault: SourceFault, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let why = Why(why.into().into());
        Self { fault, why }
    }

    /// A request without an answer, or with an error for all of it.
    pub(super) fn of_request<E>(error: SdkError<E>, permission: Permission, place: &Place) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = match may_pass(&error) {
            true => SourceFault::Unavailable,
            false => SourceFault::Refused,
        };
        let hint = match fault {
            SourceFault::Refused => error.code().and_then(|code| hint(code, permission, place)),
            _ => None,
        };
        let why = service_error(error);
        match hint {
            Some(hint) => Self::new(fault, format!("{why}; {hint}")),
            None => Self::new(fault, why),
        }
    }

    /// An entry that failed in a request that succeeded.
    pub(super) fn of_entry(entry: &BatchResultErrorEntry) -> Self {
        let code = last_part(entry.code());
        let fault = match code {
            _ if LOST.contains(&code) => SourceFault::ReceiptLost,
            _ if is_throttled(code) || !entry.sender_fault() => SourceFault::Unavailable,
            _ => SourceFault::Refused,
        };
        match entry.message() {
            Some(message) => Self::new(fault, format!("{code}: {message}")),
            None => Self::new(fault, code),
        }
    }

    /// With the queue's name.
    pub(super) fn of_queue(self, url: &str) -> SourceError {
        SourceError {
            queue: url.to_owned(),
            fault: self.fault,
            why: Box::new(self.why),
        }
    }
}

/// `AWS.SimpleQueueService.NonExistentQueue`: the codes of the older protocol have a prefix.
pub(super) fn last_part(code: &str) -> &str {
    code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code)
}

/// What to do about an error that waiting does not fix.
fn hint(code: &str, permission: Permission, place: &Place) -> Option<String> {
    let name = place.url.rsplit('/').next().unwrap_or_default();
    let region = match &place.region {
        Some(region) => format!("region {region}"),
        None => "the region of this process".to_owned(),
    };
    match last_part(code) {
        code if code.to_ascii_lowercase().starts_with("kms") => Some(
            "allow kms:Decrypt on the key that encrypts the queue, for the role of this process, and check that the key is enabled"
                .to_owned(),
        ),
        "NonExistentQueue" | "QueueDoesNotExist" | "InvalidAddress" => Some(format!(
            "create queue {name:?} in {region}, or correct the queue URL or the region of this process"
        )),
        "AccessDenied" | "AccessDeniedException" => Some(format!(
            "allow {} on queue {name:?} in {region}, in the policy of this process's role",
            permission.name()
        )),
        "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Some("check the credentials of this process".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::http::HttpResponse;
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;

    use super::*;

    fn request(status: u16, code: &str) -> (SourceFault, String) {
        let meta = ErrorMetadata::builder().code(code).message("it says so").build();
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        let error = SdkError::service_error(ReceiveMessageError::generic(meta), response);
        let place = Place {
            url: "https://sqs.eu-west-1.amazonaws.com/123456789012/orders".to_owned(),
            region: Some("eu-west-1".to_owned()),
        };
        let error = EntryError::of_request(error, Permission::Receive, &place);
        (error.fault, error.why.to_string())
    }

    #[test]
    fn what_waiting_fixes_is_unavailable() {
        for (status, code) in [
            (500, "InternalFailure"),
            (503, "ServiceUnavailable"),
            (403, "RequestThrottled"),
            (403, "OverLimit"),
            (400, "KmsThrottled"),
            (400, "KMS.ThrottlingException"),
        ] {
            let expected = (SourceFault::Unavailable, format!("{code}: it says so"));
            assert_eq!(request(status, code), expected);
        }
    }

    #[test]
    fn what_an_operator_must_fix_is_refused_with_what_to_do() {
        let queue = "queue \"orders\" in region eu-west-1";
        let missing = format!("create {queue}, or correct the queue URL or the region of this process");
        let denied = format!("allow sqs:ReceiveMessage on {queue}, in the policy of this process's role");
        let key = "allow kms:Decrypt on the key that encrypts the queue, for the role of this process, and check that the key is enabled";
        let credentials = "check the credentials of this process";
        for (code, to_do) in [
            ("AWS.SimpleQueueService.NonExistentQueue", missing.as_str()),
            ("QueueDoesNotExist", &missing),
            ("InvalidAddress", &missing),
            ("AccessDenied", &denied),
            ("AccessDeniedException", &denied),
            ("KMS.AccessDeniedException", key),
            ("KmsAccessDenied", key),
            ("ExpiredToken", credentials),
        ] {
            let expected = (SourceFault::Refused, format!("{code}: it says so; {to_do}"));
            assert_eq!(request(400, code), expected);
        }
        assert_eq!(
            request(400, "Other"),
            (SourceFault::Refused, "Other: it says so".to_owned())
        );
    }

    #[test]
    fn an_entry_has_the_fault_of_its_code() {
        for (sender, code, expected) in [
            (true, "ReceiptHandleIsInvalid", SourceFault::ReceiptLost),
            (true, "InvalidParameterValue", SourceFault::ReceiptLost),
            (
                true,
                "AWS.SimpleQueueService.MessageNotInflight",
                SourceFault::ReceiptLost,
            ),
            (true, "RequestThrottled", SourceFault::Unavailable),
            (false, "InternalError", SourceFault::Unavailable),
            (true, "AccessDenied", SourceFault::Refused),
        ] {
            let entry = BatchResultErrorEntry::builder().id("0").code(code).sender_fault(sender);
            let error = EntryError::of_entry(&entry.build().unwrap());
            assert_eq!(error.fault, expected, "{code}");
        }
    }
}
