//! What a failed batch request means for its entries.

use std::collections::HashSet;
use std::ops::Range;

use aws::service_error;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use consumer::QueueError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Codes of SQS and of the KMS behind it that mean too many requests
/// ([SendMessageBatch](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html#API_SendMessageBatch_Errors)).
const THROTTLED: [&str; 6] = [
    "KMS.ThrottlingException",
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
];

/// A batch request that failed, or some of its entries.
#[derive(Debug)]
pub(crate) struct Failed {
    why: Cause,
    /// Positions in the request of the entries that another try may help.
    unsent: Vec<usize>,
}

impl Failed {
    /// One that was not even sent.
    pub(crate) fn refused(why: impl Into<Cause>) -> Self {
        Self {
            why: why.into(),
            unsent: Vec::new(),
        }
    }

    /// A request of this many entries without an answer, or with an error for all of them.
    pub(crate) fn request<E>(error: SdkError<E>, entries: usize) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let passes = may_pass(&error);
        Self {
            why: service_error(error),
            unsent: (0..entries).filter(|_| passes).collect(),
        }
    }

    /// An error unless SQS names each of the entries as successful: a batch request succeeds even if entries fail. If SQS
    /// refuses one of them for good, another try can't help.
    pub(crate) fn entries<'a>(
        entries: usize,
        successful: impl Iterator<Item = &'a str>,
        failed: &[BatchResultErrorEntry],
    ) -> Result<(), Self> {
        let succeeded: HashSet<usize> = successful.filter_map(|id| id.parse().ok()).collect();
        let unsent: Vec<usize> = (0..entries).filter(|entry| !succeeded.contains(entry)).collect();
        if unsent.is_empty() {
            return Ok(());
        }
        let refused = failed
            .iter()
            .find(|entry| entry.sender_fault() && !is_throttled(entry.code()));
        let why = refused.or(failed.first());
        let why = why.map_or("the reply does not name them", |entry| {
            entry.message().unwrap_or(entry.code())
        });
        Err(Self {
            why: format!("{} refused, the first because: {why}", unsent.len()).into(),
            unsent: unsent.into_iter().filter(|_| refused.is_none()).collect(),
        })
    }

    /// The error of a request for these of all messages. Those that follow it were not sent either.
    pub(crate) fn into_error(self, queue: &str, request: Range<usize>, all: usize) -> QueueError {
        let of_request = self.unsent.iter().map(|position| request.start + position);
        let following = (request.end..all).filter(|_| !self.unsent.is_empty());
        QueueError {
            unsent: of_request.chain(following).collect(),
            ..QueueError::refused(queue, self.why)
        }
    }
}

pub(crate) fn is_throttled(code: &str) -> bool {
    THROTTLED.contains(&code)
}

/// Whether the same request may succeed soon: SQS or the network failed, not the request.
pub(crate) fn may_pass<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::ServiceError(service) => {
            matches!(service.raw().status().as_u16(), 408 | 429 | 500..) || error.code().is_some_and(is_throttled)
        }
        SdkError::ConstructionFailure(_) => false,
        // An invalid endpoint, for example.
        SdkError::DispatchFailure(failure) => !failure.is_user(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::http::HttpResponse;
    use aws_sdk_sqs::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;

    use super::*;

    type Error = SdkError<SendMessageBatchError>;

    fn service(status: u16, code: &str) -> Error {
        let error = SendMessageBatchError::generic(ErrorMetadata::builder().code(code).build());
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        SdkError::service_error(error, response)
    }

    fn unsent(error: Error) -> Vec<usize> {
        Failed::request(error, 3).into_error("q", 10..13, 15).unsent
    }

    #[test]
    fn what_passes_is_sent_again_with_all_that_follows() {
        let io = || ConnectorError::io("reset".into());
        let passing = [
            service(500, "InternalFailure"),
            service(503, "ServiceUnavailable"),
            service(403, "RequestThrottled"),
            service(400, "ThrottlingException"),
            service(400, "KMS.ThrottlingException"),
            service(429, ""),
            SdkError::timeout_error("late"),
            SdkError::dispatch_failure(io()),
        ];
        for error in passing {
            let shown = format!("{error:?}");
            assert_eq!(unsent(error), [10, 11, 12, 13, 14], "{shown}");
        }
    }

    #[test]
    fn what_waiting_does_not_fix_is_not_sent_again() {
        let lasting = [
            service(403, "AccessDeniedException"),
            service(400, "AWS.SimpleQueueService.NonExistentQueue"),
            service(400, "InvalidMessageContents"),
            service(400, "KMS.NotFoundException"),
            service(404, ""),
            SdkError::construction_failure("no URL"),
            SdkError::dispatch_failure(ConnectorError::user("no URL".into())),
        ];
        for error in lasting {
            let shown = format!("{error:?}");
            assert!(unsent(error).is_empty(), "{shown}");
        }
    }

    fn entry(id: &str, sender_fault: bool, code: &str) -> BatchResultErrorEntry {
        let entry = BatchResultErrorEntry::builder().id(id).code(code);
        entry.sender_fault(sender_fault).build().unwrap()
    }

    #[test]
    fn of_the_entries_only_those_that_failed_are_sent_again() {
        let failed = |failed: &[BatchResultErrorEntry]| {
            let ids: Vec<_> = (0..10).map(|id: usize| id.to_string()).collect();
            let is_failed = |id: &&str| failed.iter().any(|entry| entry.id() == *id);
            let successful = ids.iter().map(String::as_str).filter(|id| !is_failed(id));
            let error = Failed::entries(10, successful, failed).unwrap_err();
            let error = error.into_error("q", 10..20, 25);
            (error.unsent, error.why.to_string())
        };
        let busy = [entry("7", false, "InternalError"), entry("2", true, "RequestThrottled")];
        let why = "2 refused, the first because: InternalError".to_owned();
        assert_eq!(failed(&busy), (vec![12, 17, 20, 21, 22, 23, 24], why));

        // One that is refused for good names the reason: the others can't help the message.
        let refused = [
            entry("1", false, "InternalError"),
            entry("3", true, "InvalidMessageContents"),
        ];
        let why = "2 refused, the first because: InvalidMessageContents".to_owned();
        assert_eq!(failed(&refused), (vec![], why));
    }

    /// An entry is sent only if SQS confirms it.
    #[test]
    fn an_entry_that_the_reply_does_not_name_is_not_sent() {
        assert!(Failed::entries(2, ["0", "1"].into_iter(), &[]).is_ok());
        assert!(Failed::entries(0, [].into_iter(), &[]).is_ok());
        let error = Failed::entries(2, ["1", "7", "x"].into_iter(), &[]).unwrap_err();
        assert_eq!(error.unsent, [0]);
        assert_eq!(
            error.why.to_string(),
            "1 refused, the first because: the reply does not name them"
        );
    }
}
