//! Records that have expired.

use std::time::Duration;

use idempotency::{StoreError, Timestamp};

use crate::PostgresStore;
use crate::pipeline::Request;
use crate::record::number;
use crate::statements::Statement;

/// Clocks differ: what has just expired for one process may not have for another.
const MARGIN: Duration = Duration::from_secs(60 * 60);

impl PostgresStore {
    /// Deletes at most `limit` records that expired an hour ago or earlier, the oldest first, and returns how many. Fewer than `limit`: no
    /// others are left, except records that another process has locked.
    ///
    /// PostgreSQL deletes nothing by itself. A record that has expired counts as none, so that sweeping only saves space. Several
    /// processes may sweep at the same time; each skips records that another has locked. A limit of some hundreds keeps the
    /// transaction short.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; some records may be deleted.
    pub async fn sweep(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let margin = u64::try_from(MARGIN.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp::from_millis(now.millis().saturating_sub(margin));
        let table = self.table();
        let statement = Statement {
            // The array is computed once. The end repeats the condition, in case that a record is written again in between.
            text: format!(
                "WITH gone AS (DELETE FROM {table} WHERE id = ANY (ARRAY(\
                 SELECT id FROM {table} WHERE expiration < $1 ORDER BY expiration LIMIT $2 FOR UPDATE SKIP LOCKED)) \
                 AND expiration < $1 RETURNING 1) SELECT count(*) FROM gone"
            ),
            parameters: vec![number(before.seconds()), number(u64::from(limit))],
        };
        let answers = self.exchange(&[Request::Query(&statement)], None).await?;
        let count = answers.row(0).and_then(|row| row.try_get::<_, i64>(0).ok());
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }
}
