//! Runtime API and Invoke API on one router.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit};

use super::{invoke_api, runtime_api, service::Lambda};

/// What is read of a request before it is refused: more than any limit, so that one slightly too large gets an answer
/// instead of a broken connection.
const READ_BYTES: usize = 32 * 1024 * 1024;

impl Lambda {
    /// The Invoke API (`/2015-03-31/functions/…`) and, under `/_lambda/`, the Runtime API of each process.
    pub fn router(self: &Arc<Self>) -> Router {
        runtime_api::router(Arc::clone(self))
            .merge(invoke_api::router(Arc::clone(self)))
            .layer(DefaultBodyLimit::max(READ_BYTES))
    }
}
