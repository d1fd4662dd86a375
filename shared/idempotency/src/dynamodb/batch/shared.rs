//! The error of a request that several changes share.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::StoreError;

/// The error of one request, for each of its changes.
pub(super) fn copy(error: &Arc<StoreError>) -> StoreError {
    let cause = Box::new(Shared(Arc::clone(error)));
    match **error {
        StoreError::Throttled(_) => StoreError::Throttled(cause),
        _ => StoreError::NoAnswer(cause),
    }
}

/// The cause of an error that several changes have.
#[derive(Debug)]
struct Shared(Arc<StoreError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}
