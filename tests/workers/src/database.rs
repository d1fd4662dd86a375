//! Where the ledger and the orders are, and what is there in the end.

use std::collections::BTreeMap;

use emulator::dynamodb::DynamoDb;
use postgres::{PostgresStore, Settings};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::Failed;

/// The tables of the handler. That of the ledger is created by its own crate.
const SCHEMA: &str = include_str!("../../../functions/place-order/schema.sql");

/// A role whose password costs one round of hashing instead of 4,096. In a build without optimisation, the connections of twenty
/// processes would take the ten seconds of a lease. The password is `workers`.
const ROLE: &str = "DO $$ BEGIN CREATE ROLE workers LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; \
    ALTER ROLE workers PASSWORD \
    'SCRAM-SHA-256$1:d29ya2Vycy1zYWx0LTAxNg==$7kfNLJ+GzwaEMyogL382HMsTI8mxLok2QerM8kjihuE=:hyDH6117XxXWBRLW2Y9QrKxzVi8X9hMr6EexwobY5aw='";

/// A database of PostgreSQL, and a schema of its own for each scenario.
#[derive(Debug, Clone)]
pub struct Database {
    url: String,
    /// Host and port.
    pub address: String,
}

/// What the tables hold.
#[derive(Debug, Default)]
pub struct Found {
    /// The status of each record, by namespace and key.
    pub records: BTreeMap<String, String>,
    /// Customer and amount of each order, by its ID.
    pub orders: BTreeMap<String, (String, i64)>,
    /// The total of each customer.
    pub totals: BTreeMap<String, i64>,
}

impl Database {
    /// Creates the schema, and in it the tables.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn create(url: &str, schema: &str) -> Result<Self, Failed> {
        let admin = connect(url).await?;
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        admin.batch_execute(&create).await?;
        // Scenarios that start side by side do it one after the other.
        let role = format!("BEGIN; SELECT pg_advisory_xact_lock(1); {ROLE}; COMMIT");
        admin.batch_execute(&role).await?;
        let (scheme, _) = url.split_once("://").ok_or("the database's URL has no scheme")?;
        let (_, place) = url.rsplit_once('@').ok_or("the database's URL has no user")?;
        let url = format!("{scheme}://workers:workers@{place}");
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}options=-csearch_path%3D{schema}");
        PostgresStore::new(Settings::from_url(&url)?).create_schema().await?;
        connect(&url).await?.batch_execute(SCHEMA).await?;
        let (_, address) = url.rsplit_once('@').ok_or("the database's URL has no user")?;
        let (address, _) = address.split_once('/').ok_or("the database's URL has no database")?;
        Ok(Self {
            address: address.to_owned(),
            url,
        })
    }

    /// A connection to it.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn connect(&self) -> Result<Client, Failed> {
        connect(&self.url).await
    }

    /// The URL of the same through a proxy.
    pub fn url_at(&self, address: &str) -> String {
        self.url
            .replace(&format!("@{}/", self.address), &format!("@{address}/"))
    }

    /// Customer and ID of each order. A row states its transaction, and one customer's follow each other on an ordered queue.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn in_order_of_commit(&self) -> Result<Vec<(String, String)>, Failed> {
        let select = "SELECT customer, id FROM orders ORDER BY xmin::text::bigint";
        let rows = self.connect().await?.query(select, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What its tables hold.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn found(&self) -> Result<Found, Failed> {
        let client = self.connect().await?;
        let mut found = Found::default();
        for row in client.query("SELECT id, status FROM ledger", &[]).await? {
            found.records.insert(row.get(0), row.get(1));
        }
        for row in client.query("SELECT id, customer, amount FROM orders", &[]).await? {
            found.orders.insert(row.get(0), (row.get(1), row.get(2)));
        }
        for row in client.query("SELECT id, total::bigint FROM customers", &[]).await? {
            found.totals.insert(row.get(0), row.get(1));
        }
        Ok(found)
    }
}

async fn connect(url: &str) -> Result<Client, Failed> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What the tables of the emulated DynamoDB hold.
pub fn found_in(dynamodb: &DynamoDb) -> Found {
    let number = |item: &Value, name: &str| {
        item[name]["N"]
            .as_str()
            .and_then(|number| number.parse().ok())
            .unwrap_or(-1)
    };
    let items = |table: &str| dynamodb.scan(table).into_iter();
    let record = |item: Value| (text(&item, "id"), text(&item, "status"));
    let order = |item: Value| (text(&item, "id"), (text(&item, "customer"), number(&item, "amount")));
    Found {
        records: items("idempotency").map(record).collect(),
        orders: items("orders").map(order).collect(),
        totals: items("customers")
            .map(|item| (text(&item, "id"), number(&item, "total")))
            .collect(),
    }
}

fn text(item: &Value, name: &str) -> String {
    item[name]["S"].as_str().unwrap_or_default().to_owned()
}
