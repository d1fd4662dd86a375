//! The server under test, with a table for effects beside the ledger's.

use std::env;
use std::error::Error;

use conformance::store::UnderTest;
use idempotency::{Key, Ledger, Record, Refusal, StoreError};
use postgres::{PostgresStore, Settings, SqlWrite};
use tokio_postgres::{Client, NoTls};

pub(crate) struct Server {
    url: String,
    ledger: Ledger<PostgresStore>,
}

/// The value of a variable; `None`, which is printed: the test is skipped.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        let test = std::thread::current();
        eprintln!("skipped: {}: {name} is not set", test.name().unwrap_or_default());
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
        let server = Self {
            url: url.to_owned(),
            ledger: Ledger::new(store),
        };
        let creation = "SELECT pg_advisory_xact_lock(1); CREATE TABLE IF NOT EXISTS contract_effects (name text PRIMARY KEY, n bigint NOT NULL)";
        server.client().await.batch_execute(creation).await.unwrap();
        server
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn store(&self) -> &PostgresStore {
        self.ledger.store()
    }

    /// A connection of the test's own.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A table with a fresh name, for the test alone. `$` in the definition is the name.
    pub(crate) async fn table(&self, definition: &str) -> String {
        let name = format!("t_{}", fresh());
        self.client().await.batch_execute(&definition.replace('$', &name)).await.unwrap();
        name
    }

    /// How many rows a condition on a table is true for.
    pub(crate) async fn count(&self, table: &str, condition: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
        self.client().await.query_one(&query, &[]).await.unwrap().get(0)
    }
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
        let row = self.client().await.query_opt(query, &[&name]).await.unwrap();
        row.map_or(0, |row| usize::try_from(row.get::<_, i64>(0)).unwrap())
    }

    async fn record(&self, key: &Key) -> Option<Record> {
        self.store().record(key).await.unwrap()
    }
}
