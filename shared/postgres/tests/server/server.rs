//! The server under test, with a table for effects beside the ledger's.

use std::env;
use std::error::Error;
use std::io::Write;
use std::sync::Once;

use conformance::store::UnderTest;
use idempotency::{Key, Ledger, Record, Refusal, StoreError};
use postgres::{PostgresStore, Settings, SqlWrite};
use tokio_postgres::{Client, NoTls};

pub(crate) struct Server {
    url: String,
    ledger: Ledger<PostgresStore>,
    /// For reading effects.
    reader: Client,
}

/// The value of a variable; `None`: the test is skipped, which is printed once for all tests.
pub(crate) fn variable(name: &str) -> Option<String> {
    static PRINTED: Once = Once::new();
    let value = env::var(name).ok();
    if value.is_none() {
        let line = format!("skipped: tests on a PostgreSQL server: {name} is not set; .ci/servers sets it\n");
        // Unlike `eprintln!`, whose output of a test that passes is not shown.
        PRINTED.call_once(|| std::io::stderr().write_all(line.as_bytes()).unwrap());
    }
    value
}

impl Server {
    pub(crate) async fn start() -> Option<Self> {
        Some(Self::at(&variable("POSTGRES_TEST_URL")?).await)
    }

    pub(crate) async fn at(url: &str) -> Self {
        // As many as rivals in the field's largest race.
        let settings = settings(url).with_max_connections(16);
        let store = PostgresStore::new(settings);
        store.create_schema().await.unwrap();
        let creation = "SELECT pg_advisory_xact_lock(1); CREATE TABLE IF NOT EXISTS contract_effects (name text PRIMARY KEY, n bigint NOT NULL)";
        let reader = connect(url).await;
        reader.batch_execute(creation).await.unwrap();
        Self {
            url: url.to_owned(),
            ledger: Ledger::new(store),
            reader,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn store(&self) -> &PostgresStore {
        self.ledger.store()
    }

    /// A connection of the test's own.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url).await
    }

    /// A table with a fresh name, for the test alone. `$` in the definition is the name.
    pub(crate) async fn table(&self, definition: &str) -> String {
        let name = format!("t_{}", fresh());
        self.client()
            .await
            .batch_execute(&definition.replace('$', &name))
            .await
            .unwrap();
        name
    }

    /// How many rows a condition on a table is true for.
    pub(crate) async fn count(&self, table: &str, condition: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
        self.client().await.query_one(&query, &[]).await.unwrap().get(0)
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn settings(url: &str) -> Settings {
    Settings::from_url(url).unwrap().with_table("contract_ledger").unwrap()
}

/// A text that no other test has.
pub(crate) fn fresh() -> String {
    let key = conformance::store::fresh_key();
    key.token()[..24].to_owned()
}

/// Adds one to a counter.
pub(crate) fn effect(name: &str) -> SqlWrite {
    SqlWrite::new("INSERT INTO contract_effects AS e VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET n = e.n + $2")
        .bind(name)
        .bind(1)
}

/// The error and its sources, as the log shows them.
pub(crate) fn chain(error: &StoreError) -> String {
    let sources = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl UnderTest for Server {
    type Store = PostgresStore;

    fn ledger(&self) -> &Ledger<PostgresStore> {
        &self.ledger
    }

    fn effect(&self, name: &str) -> SqlWrite {
        effect(name)
    }

    fn refused_effect(&self, name: &str, refusal: Refusal) -> SqlWrite {
        SqlWrite::new("UPDATE contract_effects SET n = n + 1 WHERE name = $1 AND false")
            .bind(name)
            .if_refused(move |_| refusal.clone())
    }

    async fn effects(&self, name: &str) -> usize {
        let query = "SELECT n FROM contract_effects WHERE name = $1";
        let row = self.reader.query_opt(query, &[&name]).await.unwrap();
        row.map_or(0, |row| usize::try_from(row.get::<_, i64>(0)).unwrap())
    }

    async fn record(&self, key: &Key) -> Option<Record> {
        self.store().record(key).await.unwrap()
    }
}
