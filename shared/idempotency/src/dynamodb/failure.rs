//! What a failed request means, and which tables it names.

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::write::DynamoDbWrite;
use crate::{Key, StoreError};

type Cause = Box<dyn Error + Send + Sync>;

/// What a failed request to these tables means: refused, throttled, or not answered.
pub(super) fn failure<E>(error: SdkError<E>, table: &str, writes: &[DynamoDbWrite]) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::ServiceError(service) => match (error.code(), service.raw().status().as_u16()) {
            // The second: a global table is written in another Region, too.
            (Some("TransactionInProgressException" | "ReplicatedWriteConflictException"), _) => StoreError::NoAnswer,
            (Some(code), _) if THROTTLED.contains(&code) => StoreError::Throttled,
            // Of a proxy, which states no code.
            (_, 429) => StoreError::Throttled,
            (_, 408 | 500..) => StoreError::NoAnswer,
            _ => StoreError::Refused,
        },
        SdkError::ConstructionFailure(_) => StoreError::Refused,
        _ => StoreError::NoAnswer,
    };
    kind(Box::new(About {
        tables: tables(table, writes),
        error: described(error),
    }))
}

/// Error codes of DynamoDB that mean too many requests
/// ([error handling](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html)).
const THROTTLED: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
];

/// The error of a change that another request was in the way of.
pub(super) fn conflict(key: &Key) -> StoreError {
    StoreError::Conflict {
        id: key.record_id().to_owned(),
    }
}

/// The tables of a request, because DynamoDB does not state which of them its error is about.
pub(super) fn tables(table: &str, writes: &[DynamoDbWrite]) -> String {
    let mut names = vec![table];
    for write in writes {
        if !names.contains(&write.table()) {
            names.push(write.table());
        }
    }
    let word = if names.len() == 1 { "table" } else { "tables" };
    format!("{word} {}", names.join(", "))
}

/// DynamoDB's own code and message, without the SDK's layers around them. The crate `aws` does the same for clients; a store
/// depends on no other crate of the workspace.
fn described<E>(error: SdkError<E>) -> Cause
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}").into(),
        _ => error.into(),
    }
}

/// An error, and the tables of its request.
#[derive(Debug)]
struct About {
    error: Cause,
    tables: String,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.error, self.tables)
    }
}

impl Error for About {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::put_item::PutItemError;

    use super::*;

    fn meaning(status: u16, code: &str) -> StoreError {
        let error = PutItemError::generic(ErrorMetadata::builder().code(code).build());
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        failure(SdkError::service_error(error, response), "t", &[])
    }

    #[test]
    fn each_error_is_throttled_unanswered_or_refused() {
        for (status, code) in [
            (400, "ProvisionedThroughputExceededException"),
            (400, "ThrottlingException"),
            (400, "RequestLimitExceeded"),
            (503, "ThrottlingException"),
            (429, ""),
        ] {
            assert!(matches!(meaning(status, code), StoreError::Throttled(_)), "{code}");
        }
        for (status, code) in [
            (500, "InternalServerError"),
            (503, ""),
            (408, ""),
            (400, "TransactionInProgressException"),
            (400, "ReplicatedWriteConflictException"),
        ] {
            assert!(matches!(meaning(status, code), StoreError::NoAnswer(_)), "{code}");
        }
        let error: SdkError<PutItemError> = SdkError::construction_failure("no region");
        assert!(matches!(failure(error, "t", &[]), StoreError::Refused(_)));
        for (status, code) in [
            (400, "AccessDeniedException"),
            (400, "ResourceNotFoundException"),
            (400, "ValidationException"),
            (403, ""),
        ] {
            let error = meaning(status, code);
            assert!(
                matches!(error, StoreError::Refused(_)) && !error.is_transient(),
                "{code}"
            );
        }
    }
}
