//! Reading the ledger.

use std::future::Future;

use idempotency::{DynamoDbStore, Key, Record, StoreError};
use postgres::PostgresStore;

/// A store whose records can be read by key.
pub(crate) trait Records: Send + Sync + 'static {
    /// The record of a key as it is now; `None`: there is none.
    fn read(&self, key: &Key) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;
}

impl Records for DynamoDbStore {
    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.record(key).await
    }
}

impl Records for PostgresStore {
    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.record(key).await
    }
}
