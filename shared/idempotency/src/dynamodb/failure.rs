//! What a request that failed means, and which tables it was about.

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::DynamoDbLedger;
use crate::{LedgerError, Write};

type Cause = Box<dyn Error + Send + Sync>;

impl DynamoDbLedger {
    /// Whether the store said no, not now, or nothing.
    pub(super) fn failure<E>(&self, error: SdkError<E>, writes: &[Write]) -> LedgerError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let kind = match &error {
            SdkError::ServiceError(service) if service.raw().status().as_u16() < 500 => match error.code() {
                Some("TransactionInProgressException") => LedgerError::NoAnswer,
                Some("ThrottlingException" | "ProvisionedThroughputExceededException" | "RequestLimitExceeded") => {
                    LedgerError::Throttled
                }
                _ => LedgerError::Refused,
            },
            SdkError::ConstructionFailure(_) => LedgerError::Refused,
            _ => LedgerError::NoAnswer,
        };
        let tables = self.tables(writes);
        kind(Box::new(About {
            tables,
            error: said(error),
        }))
    }

    /// The tables of a request: of which one the store speaks, it does not say.
    pub(super) fn tables(&self, writes: &[Write]) -> String {
        let mut names = vec![self.table.as_str()];
        for write in writes {
            if !names.contains(&write.table()) {
                names.push(write.table());
            }
        }
        let word = if names.len() == 1 { "table" } else { "tables" };
        format!("{word} {}", names.join(", "))
    }
}

/// What the store says, without the SDK's layers around it.
fn said<E>(error: SdkError<E>) -> Cause
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}").into(),
        _ => error.into(),
    }
}

/// An error, and the tables that it is about.
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
