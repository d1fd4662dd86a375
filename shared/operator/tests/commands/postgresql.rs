//! The ledger in PostgreSQL: the one of `POSTGRES_TEST_URL`, without which the tests on a server are skipped.

use std::time::Duration;

use idempotency::{Attempt, Completion, Key, Ledger, OutgoingMessage, Timestamp};
use postgres::{PostgresStore, Settings};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{DEAD, Done, Harness, ORDERS, done, operator};

/// A schema of its own in the database of the tests.
struct Database {
    url: String,
    ledger: Ledger<PostgresStore>,
}

/// The URL of the server; `None`, which is printed: the test is skipped.
fn server() -> Option<String> {
    let url = std::env::var("POSTGRES_TEST_URL").ok();
    if url.is_none() {
        eprintln!("skipped: POSTGRES_TEST_URL is not set; .ci/servers sets it");
    }
    url
}

impl Database {
    async fn start() -> Option<Self> {
        let (schema, server) = (format!("s_{}", uuid()), server()?);
        let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
        let url = format!("{server}&options=-csearch_path%3D{schema}");
        let ledger = Ledger::new(PostgresStore::new(Settings::from_url(&url).unwrap()));
        Some(Self { url, ledger })
    }

    /// The same with a table.
    async fn with_table() -> Option<Self> {
        let database = Self::start().await?;
        database.ledger.store().create_schema().await.unwrap();
        Some(database)
    }

    async fn operator(&self, arguments: &[&str]) -> Done {
        let mut operator = operator(arguments);
        operator.env("DATABASE_URL", &self.url);
        done(operator.spawn().unwrap()).await
    }

    async fn succeed(&self, arguments: &[&str]) -> String {
        let done = self.operator(arguments).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        done.out
    }

    async fn reject(&self, key: &str, reason: &str) {
        let _ = self.ledger.reject(attempt(key), reason, soon()).await.unwrap();
    }

    async fn complete(&self, attempt: Attempt, completion: Completion<postgres::SqlWrite>) {
        let sealed = self.ledger.seal(attempt, completion).unwrap();
        let _ = self.ledger.complete(sealed, soon()).await.unwrap();
    }
}

fn uuid() -> String {
    let attempt = attempt("any");
    attempt.owner().as_str().replace('-', "")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn attempt(key: &str) -> Attempt {
    let now = Timestamp::now();
    Attempt::new(
        Key::new("place-order", key).unwrap(),
        now,
        now.plus(Duration::from_secs(3600)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_is_created_once_and_printed_without_a_database() {
    let printed = done(operator(&["schema", "--print"]).spawn().unwrap()).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(printed.out, include_str!("../../../postgres/schema.sql"));
    let missing = done(operator(&["schema"]).spawn().unwrap()).await;
    let expected = "error: no database: pass its URL with --database-url or DATABASE_URL\n";
    assert_eq!((missing.code, missing.err.as_str()), (Some(1), expected));

    let Some(database) = Database::start().await else {
        return;
    };
    for arguments in [&["inspect", "place-order#m-1"][..], &["sweep"]] {
        let done = database.operator(arguments).await;
        let expected = "error: the ledger refused the request: relation \"ledger\" does not exist (SQLSTATE 42P01, table ledger); \
            if it is the ledger's table, create it with `operator schema`\n";
        assert_eq!((done.code, done.err.as_str()), (Some(1), expected));
    }
    for _ in 0..2 {
        assert_eq!(database.succeed(&["schema"]).await, "table ledger is ready\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_and_unlock_are_the_same_as_on_dynamodb() {
    let Some(database) = Database::with_table().await else {
        return;
    };
    database.reject("m-1", "wrong sum").await;
    let shown = database.succeed(&["inspect", "place-order#m-1"]).await;
    for line in [
        "record       place-order#m-1",
        "status       REJECTED: failed permanently",
        "reason       wrong sum",
    ] {
        assert!(
            shown.lines().any(|output| output == line),
            "{line} is missing:\n{shown}"
        );
    }
    let json: Value = serde_json::from_str(&database.succeed(&["inspect", "--json", "place-order#m-1"]).await).unwrap();
    assert_eq!(
        (&json["status"], &json["reason"]),
        (&json!("REJECTED"), &json!("wrong sum"))
    );
    assert!(json["expiration"].is_number() && json.get("data").is_none(), "{json}");

    let refused = database.operator(&["unlock", "place-order#m-1"]).await;
    assert!(
        refused.code == Some(1) && refused.err.contains("pass --yes"),
        "{refused:?}"
    );
    assert!(
        database
            .succeed(&["unlock", "place-order#m-1", "--yes"])
            .await
            .ends_with("unlocked place-order#m-1\n")
    );
    let missing = database.operator(&["inspect", "place-order#m-1"]).await;
    let expected = "error: there is no record place-order#m-1 in table ledger: ";
    assert!(
        missing.code == Some(1) && missing.err.starts_with(expected),
        "{missing:?}"
    );

    let held = attempt("m-2");
    let _ = database.ledger.claim(&held, soon()).await.unwrap();
    let unlocked = database.operator(&["unlock", "place-order#m-2", "--yes"]).await;
    assert!(
        unlocked.code == Some(0) && unlocked.err.contains("its lease ends in 59 min"),
        "{unlocked:?}"
    );
    database.complete(attempt("m-3"), Completion::new()).await;
    let done = database.operator(&["unlock", "place-order#m-3", "--yes"]).await;
    assert!(done.code == Some(1) && done.err.contains("it is COMPLETED"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resend_corrects_the_destination_in_the_database() {
    let Some(database) = Database::with_table().await else {
        return;
    };
    let harness = Harness::start().await;
    let completion = Completion::new()
        .data(7.into())
        .send(OutgoingMessage::new("orders", "hello").with_key("k"));
    database.complete(attempt("m-1"), completion).await;
    let mut resend = operator(&["outgoing", "resend", "place-order#m-1", "--to", ORDERS, "--yes"]);
    resend
        .env("DATABASE_URL", &database.url)
        .env("AWS_ENDPOINT_URL", harness.stack.endpoint());
    let done = done(resend.spawn().unwrap()).await;
    assert!(
        done.code == Some(0) && done.out.contains("corrected the record"),
        "{done:?}"
    );
    assert_eq!(harness.ids(ORDERS).len(), 1);
    let key = Key::new("place-order", "m-1").unwrap();
    let record = database.ledger.store().record(&key).await.unwrap().unwrap();
    assert_eq!(
        (record.outgoing[0].queue_url(), record.data.as_deref()),
        (harness.url(ORDERS).as_str(), Some("7"))
    );
}

/// A worker polls SQS, and its ledger is in PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn redrive_deletes_the_rejection_in_the_database() {
    let Some(database) = Database::with_table().await else {
        return;
    };
    let harness = Harness::start().await;
    database.reject("k-1", "wrong sum").await;
    harness.dead("k-1", "wrong sum").await;
    let mut redrive = operator(&["dlq", "redrive", DEAD, "--yes"]);
    redrive
        .env("DATABASE_URL", &database.url)
        .env("AWS_ENDPOINT_URL", harness.stack.endpoint());
    let done = done(redrive.spawn().unwrap()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!((harness.ids(DEAD).len(), harness.ids(ORDERS).len()), (0, 1));
    let key = Key::new("place-order", "k-1").unwrap();
    assert_eq!(database.ledger.store().record(&key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_deletes_all_that_has_expired_up_to_its_limit() {
    let Some(database) = Database::with_table().await else {
        return;
    };
    let long_ago = Timestamp::from_millis(1_700_000_000_000);
    for n in 0..7 {
        let key = Key::new("place-order", &format!("old-{n}")).unwrap();
        database
            .complete(Attempt::new(key, long_ago, long_ago), Completion::new())
            .await;
    }
    database.complete(attempt("new"), Completion::new()).await;
    let swept = database.succeed(&["sweep", "--limit", "3"]).await;
    assert_eq!(swept, "deleted 3 expired records of table ledger\n");
    let swept = database.succeed(&["sweep", "--limit", "1"]).await;
    assert_eq!(swept, "deleted 1 expired record of table ledger\n");
    for count in [3, 0] {
        let swept = database.succeed(&["sweep"]).await;
        assert_eq!(swept, format!("deleted {count} expired records of table ledger\n"));
    }
    database.succeed(&["inspect", "place-order#new"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_in_one_store_and_its_password_is_not_shown() {
    let url = "postgres://app:secret@127.0.0.1:9/orders?sslmode=disable";
    let mut both = operator(&["inspect", "place-order#m-1", "--table", "prod-idempotency"]);
    let both = done(both.env("DATABASE_URL", url).spawn().unwrap()).await;
    assert!(
        both.code == Some(1)
            && both
                .err
                .starts_with("error: both a table of DynamoDB (prod-idempotency) and"),
        "{both:?}"
    );
    let unreachable = ["inspect", "place-order#m-1", "--database-url", url];
    let unreachable = done(operator(&unreachable).spawn().unwrap()).await;
    assert!(
        unreachable.code == Some(1) && unreachable.err.contains("Connection refused"),
        "{unreachable:?}"
    );
    let mut help = operator(&["inspect", "--help"]);
    let help = done(help.env("DATABASE_URL", url).spawn().unwrap()).await;
    assert!(help.out.contains("DATABASE_URL"), "{help:?}");
    let malformed = ["sweep", "--database-url", "postgres://app:sec@ret@db/orders"];
    let malformed = done(operator(&malformed).spawn().unwrap()).await;
    assert!(
        malformed.code == Some(1) && malformed.err.contains("%40"),
        "{malformed:?}"
    );
    for done in [both, unreachable, help, malformed] {
        assert!(!done.err.contains("sec") && !done.out.contains("sec"), "{done:?}");
    }
}
