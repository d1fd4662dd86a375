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
    pub(super) fn of_request<E>(error: SdkError<E>, permission: Permission, client: &Client, url: &str) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = match may_pass(&error) {
            true => SourceFault::Unavailable,
            false => SourceFault::Refused,
        };
        let region = client.config().region().map(ToString::to_string);
        let hint = match fault {
            SourceFault::Refused => error
                .code()
                .and_then(|code| hint(code, permission, url, region.as_deref())),
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
fn last_part(code: &str) -> &str {
    code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code)
}

/// What to do about an error that waiting does not fix.
fn hint(code: &str, permission: Permission, url: &str, region: Option<&str>) -> Option<String> {
    let region = region.map_or_else(
        || "the region of this process".to_owned(),
        |region| format!("region {region}"),
    );
    let name = url.rsplit('/').next().unwrap_or(url);
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
