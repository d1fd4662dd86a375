//! Expired records are deleted, others never.

use std::time::Duration;

use conformance::store::{NOW, attempt, complete, fresh_key, lease};
use idempotency::{Completion, Ledger, Timestamp};
use postgres::{PostgresStore, Settings};

use crate::server::{Server, fresh};

/// A table of its own: others' records must not count.
async fn swept(server: &Server) -> Ledger<PostgresStore> {
    let settings = Settings::from_url(server.url())
        .unwrap()
        .with_table(&format!("t_{}", fresh()))
        .unwrap();
    let store = PostgresStore::new(settings);
    store.create_schema().await.unwrap();
    Ledger::new(store)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test]
async fn only_what_expired_an_hour_ago_is_swept_in_batches() {
    let Some(server) = Server::start().await else { return };
    let ledger = swept(&server).await;
    for days in [1, 1, 1, 1, 1, 2] {
        let attempt = attempt(&fresh_key(), NOW).with_retention(DAY * days);
        complete(&ledger, attempt, Completion::new()).await;
    }
    let held = lease(&ledger, attempt(&fresh_key(), NOW).with_retention(DAY * 2)).await;
    let sweep = async |now: Timestamp, limit| ledger.store().sweep(now, limit).await.unwrap();
    assert_eq!(sweep(NOW.plus(DAY + HOUR), 10).await, 0);
    let later = NOW.plus(DAY + HOUR + Duration::from_secs(1));
    assert_eq!(
        [sweep(later, 2).await, sweep(later, 2).await, sweep(later, 2).await],
        [2, 2, 1]
    );
    assert_eq!(sweep(later, 2).await, 0);
    assert!(ledger.store().record(held.attempt().key()).await.unwrap().is_some());
    assert_eq!(sweep(NOW.plus(DAY * 3), 10).await, 2);
    // A clock before 1970 reads as 1970.
    assert_eq!(sweep(Timestamp::from_millis(0), 10).await, 0);
}

/// An expired record is taken over while it is swept: the sweep does not wait, and the new claim stays.
#[tokio::test]
async fn a_record_that_another_works_with_is_skipped() {
    let Some(server) = Server::start().await else { return };
    let ledger = swept(&server).await;
    let (first, second) = (fresh_key(), fresh_key());
    for key in [&first, &second] {
        complete(&ledger, attempt(key, NOW).with_retention(DAY), Completion::new()).await;
    }
    let table = format!("{:?}", ledger.store());
    let table = table
        .split("table: \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let mut client = server.client().await;
    let transaction = client.transaction().await.unwrap();
    let update = format!("UPDATE {table} SET expiration = 9000000000 WHERE id = $1");
    transaction.execute(&update, &[&first.record_id()]).await.unwrap();
    assert_eq!(ledger.store().sweep(NOW.plus(DAY * 3), 10).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert!(ledger.store().record(&first).await.unwrap().is_some());
    assert!(ledger.store().record(&second).await.unwrap().is_none());
}
