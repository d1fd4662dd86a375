//! Orders in a real PostgreSQL: the one of `POSTGRES_TEST_URL`, without which every test here is skipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Incoming, MemoryQueues, MessageId, Services, Summary, process_batch};
use idempotency::{DEFAULT_RETENTION, Timestamp};
use place_order::{PlaceOrder, SqlTables};
use postgres::{PostgresStore, Settings};
use tokio_postgres::{Client, NoTls};

const NOTIFICATIONS: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/notifications";
const DLQ: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/orders-dlq";

/// A schema of its own in the database.
struct Database {
    client: Client,
    services: Services<PostgresStore, MemoryQueues>,
    handler: Arc<PlaceOrder<SqlTables>>,
}

/// The database, or a line that the test is skipped.
async fn database(schema: &str) -> Option<Database> {
    let Ok(url) = std::env::var("POSTGRES_TEST_URL") else {
        println!("skipped: POSTGRES_TEST_URL is not set; .ci/servers sets it");
        return None;
    };
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = include_str!("../schema.sql");
    let create =
        format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}; {tables}");
    client.batch_execute(&create).await.unwrap();
    let settings = Settings::from_url(&format!("{url}&options=-csearch_path%3D{schema}")).unwrap();
    let store = PostgresStore::new(settings);
    store.create_schema().await.unwrap();
    let services = Services::new(store, MemoryQueues::new()).with_dead_letter_queue(DLQ);
    let handler = Arc::new(PlaceOrder::new(SqlTables, NOTIFICATIONS));
    Some(Database {
        client,
        services,
        handler,
    })
}

impl Database {
    async fn process(&self, messages: &[(&str, String)]) -> Summary {
        let now = Timestamp::now();
        let budget = Budget::new(now, now.plus(Duration::from_secs(30)));
        let message = |(id, body): &(&str, String)| Incoming::new(MessageId::new(*id).unwrap(), body);
        let messages = messages.iter().map(message).collect();
        let report = process_batch(&self.handler, &self.services, messages, false, &budget).await;
        report.summary
    }

    async fn total(&self, customer: &str) -> String {
        let total = "SELECT total::text FROM customers WHERE id = $1";
        self.client.query_one(total, &[&customer]).await.unwrap().get(0)
    }
}

fn order(id: &str, amount: i64) -> String {
    format!(
        r#"{{"id":"{id}","customer":"ada","items":[{{"sku":"tea","quantity":1,"price":{amount}}}],"amount":{amount}}}"#
    )
}

#[tokio::test]
async fn an_order_counts_once_however_often_it_is_sent() {
    let Some(database) = database("place_order_once").await else {
        return;
    };
    let first = database.process(&[("m-1", order("o-1", 700))]).await;
    assert_eq!(first.done, 1);
    let again = database
        .process(&[("m-1", order("o-1", 700)), ("m-2", order("o-1", 700))])
        .await;
    assert_eq!(
        (again.duplicate, again.done),
        (1, 1),
        "the second was sent twice, and is done"
    );
    database.process(&[("m-3", order("o-2", 5))]).await;
    assert_eq!(database.total("ada").await, "705");
    let confirmations = database.services.queues().sent(NOTIFICATIONS);
    let keys: std::collections::BTreeSet<_> = confirmations.iter().map(|sent| sent.deduplication_id.clone()).collect();
    assert_eq!(keys.len(), 2, "one for each order, repeated under its key");
    let key = idempotency::Key::new("place-order", "m-1").unwrap();
    let record = database.services.store().record(&key).await.unwrap().unwrap();
    let expires = record.expiration_seconds;
    assert!(expires >= Timestamp::now().plus(DEFAULT_RETENTION).seconds() - 60);
}

#[tokio::test]
async fn another_order_with_the_same_id_is_rejected() {
    let Some(database) = database("place_order_other").await else {
        return;
    };
    database.process(&[("m-1", order("o-1", 700))]).await;
    let other = database.process(&[("m-2", order("o-1", 900))]).await;
    assert_eq!(other.rejected, 1);
    assert_eq!(database.total("ada").await, "700");
    assert_eq!(database.services.queues().sent(DLQ).len(), 1);
}

#[tokio::test]
async fn ten_copies_at_once_are_one_order() {
    let Some(database) = database("place_order_race").await else {
        return;
    };
    let ids: Vec<_> = (0..10).map(|n| format!("m-{n}")).collect();
    let messages: Vec<_> = ids.iter().map(|id| (id.as_str(), order("o-1", 700))).collect();
    // Those that lose the race are redelivered.
    let mut attempts = 0;
    while database.process(&messages).await.failed > 0 {
        attempts += 1;
        assert!(attempts < 10, "a lost race is decided at the next delivery");
    }
    assert_eq!(database.total("ada").await, "700");
}
