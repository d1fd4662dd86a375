//! What an answer of Azure, or the lack of one, means for the host.

use std::error::Error;
use std::time::Duration;

use consumer::{Chain, SourceError, SourceFault};
use http::StatusCode;

/// Why a request was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Fault {
    pub(crate) means: SourceFault,
    /// The credentials are good, but don't permit this operation.
    pub(crate) is_denied: bool,
    pub(crate) why: String,
}

impl Fault {
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self {
            means: SourceFault::Unavailable,
            is_denied: false,
            why: why.into(),
        }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self {
            means: SourceFault::Refused,
            is_denied: false,
            why: why.into(),
        }
    }

    pub(crate) fn no_answer(within: Duration) -> Self {
        Self::unavailable(format!("no answer within {} s", within.as_secs()))
    }

    /// A certificate that is not trusted stays so; all else may pass.
    pub(crate) fn of_connection(error: impl Error + 'static) -> Self {
        let first: &(dyn Error + 'static) = &error;
        let mut causes = std::iter::successors(Some(first), |error| (*error).source());
        match causes.any(|error| error.is::<aws::CertificateError>()) {
            true => Self::refused(Chain(&error).to_string()),
            false => Self::unavailable(Chain(&error).to_string()),
        }
    }

    /// The error of a queue.
    pub(crate) fn of_queue(self, url: &str) -> SourceError {
        SourceError {
            queue: url.to_owned(),
            fault: self.means,
            why: Box::new(self),
        }
    }

    /// The same, with what was being done.
    pub(crate) fn during(self, what: &str) -> Self {
        let why = format!("{what}: {}", self.why);
        Self { why, ..self }
    }
}

/// The meaning of an error's status and code
/// ([common codes](https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes),
/// [codes of queues](https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes)), and what to do.
pub(crate) fn of_answer(status: StatusCode, code: &str) -> Fault {
    let is_denied = PERMISSION_CODES.contains(&code);
    let (means, advice) = match (status.as_u16(), code) {
        // Deleted, or received by another: also a message that has expired.
        (_, "MessageNotFound" | "PopReceiptMismatch") => (
            SourceFault::ReceiptLost,
            ": the message has another receipt, or is gone",
        ),
        (_, "QueueNotFound") => (
            SourceFault::Refused,
            ": it does not exist; create it with `az storage queue create`",
        ),
        (_, "QueueDisabled") => (SourceFault::Refused, ": it is disabled"),
        _ if is_denied => (SourceFault::Refused, PERMISSION),
        (401 | 403, _) => (SourceFault::Refused, AUTHENTICATION),
        (408 | 429, _) | (_, "QueueBeingDeleted") => (SourceFault::Unavailable, ""),
        (413, _) | (_, "MessageTooLarge") => (SourceFault::Refused, ": it has more than 64 KiB with its encoding"),
        (400..500, _) => (SourceFault::Refused, ""),
        _ => (SourceFault::Unavailable, ""),
    };
    let code = if code.is_empty() { "without a code" } else { code };
    Fault {
        means,
        is_denied,
        why: format!("{} {code}{advice}", status.as_u16()),
    }
}

/// Of a role, and of a SAS token.
const PERMISSION_CODES: [&str; 4] = [
    "AuthorizationPermissionMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
    "InsufficientAccountPermissions",
];
const PERMISSION: &str = ": access is denied; assign the role Storage Queue Data Contributor, or create the SAS token with the \
     permissions r, a, u and p";
const AUTHENTICATION: &str = ": the credentials are not accepted; check that the key or the SAS token is current, that the \
     identity has a role on the account, and that the clock is right";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_code_state_what_the_host_does() {
        for (status, code, means) in [
            (404, "MessageNotFound", SourceFault::ReceiptLost),
            (400, "PopReceiptMismatch", SourceFault::ReceiptLost),
            (404, "QueueNotFound", SourceFault::Refused),
            (403, "AuthenticationFailed", SourceFault::Refused),
            (401, "", SourceFault::Refused),
            (403, "AuthorizationPermissionMismatch", SourceFault::Refused),
            (413, "RequestBodyTooLarge", SourceFault::Refused),
            (400, "OutOfRangeQueryParameterValue", SourceFault::Refused),
            (409, "QueueBeingDeleted", SourceFault::Unavailable),
            (429, "", SourceFault::Unavailable),
            (500, "OperationTimedOut", SourceFault::Unavailable),
            (503, "ServerBusy", SourceFault::Unavailable),
        ] {
            let fault = of_answer(StatusCode::from_u16(status).unwrap(), code);
            assert_eq!(fault.means, means, "{status} {code}");
            assert!(
                fault.why.starts_with(&status.to_string()) && fault.why.contains(code),
                "{fault}"
            );
        }
    }
}
