//! What went wrong, in one line.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// An error and what caused it. Of the SDK's errors only what lies at the bottom is of use to the reader.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = std::iter::successors(error.source(), |error| (**error).source()).collect();
    match causes.last() {
        Some(deepest) => format!("{error}: {deepest}"),
        None => error.to_string(),
    }
}

/// What SQS says, or why there was no saying.
pub(crate) fn refusal<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), message) => format!("{code}: {}", message.unwrap_or_default()),
        (None, _) => chain(error),
    }
}
