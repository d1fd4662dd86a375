//! The table, and what is wrong with a server or a table.

use conformance::store::{NOW, UnderTest, attempt, complete, fresh_key, reject, soon};
use idempotency::{Answer, Claim, Completion, Existing, Key, Ledger, StoreError};
use postgres::{PostgresStore, Settings};
use tokio::task::JoinSet;

use crate::server::{Server, chain, fresh, settings};

fn named(server: &Server, table: &str) -> PostgresStore {
    PostgresStore::new(Settings::from_url(server.url()).unwrap().with_table(table).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_created_once_by_any_number_of_processes() {
    let Some(server) = Server::start().await else { return };
    let schema = format!("S \"{}", fresh());
    let quoted = schema.replace('"', "\"\"");
    server
        .client()
        .await
        .batch_execute(&format!("CREATE SCHEMA \"{quoted}\""))
        .await
        .unwrap();
    let mut all = JoinSet::new();
    for _ in 0..16 {
        let store = named(&server, &format!("{schema}.Led\"ger'"));
        all.spawn(async move { store.create_schema().await.map_err(|error| chain(&error)) });
    }
    assert!(all.join_all().await.into_iter().all(|created| created == Ok(())));
    let store = named(&server, &format!("{schema}.Led\"ger'"));
    store.connect().await.unwrap();
    let answer = complete(&Ledger::new(store), attempt(&fresh_key(), NOW), Completion::new()).await;
    assert_eq!(answer, Answer::Applied);
}

/// A process that starts must not wait for the transactions of others, nor they for it.
#[tokio::test]
async fn a_table_that_exists_is_not_locked() {
    let Some(server) = Server::start().await else { return };
    let rival = server.client().await;
    let insert =
        "BEGIN; INSERT INTO contract_ledger (id, status, expiration) VALUES ('contract#' || random(), 'REJECTED', 0)";
    rival.batch_execute(insert).await.unwrap();
    server.store().create_schema().await.unwrap();
    rival.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_table_of_a_handler_exists_or_not() {
    let Some(server) = Server::start().await else { return };
    let store = server.store();
    assert!(store.has_table("contract_ledger").await.unwrap());
    assert!(!store.has_table("no_such_table").await.unwrap());
    assert!(!store.has_table("no_such_schema.t").await.unwrap());
}

#[tokio::test]
async fn a_missing_table_is_named_with_what_to_do() {
    let Some(server) = Server::start().await else { return };
    let store = named(&server, "no_such_table");
    let expected = "the ledger refused the request: relation \"no_such_table\" does not exist (SQLSTATE 42P01, table no_such_table); \
        if it is the ledger's table, create it with `operator schema`";
    assert_eq!(chain(&store.connect().await.unwrap_err()), expected);
    let claimed = Ledger::new(store).claim(&attempt(&fresh_key(), NOW), soon()).await;
    assert_eq!(chain(&claimed.unwrap_err()), expected);
}

#[tokio::test]
async fn a_missing_privilege_is_named() {
    let Some(server) = Server::start().await else { return };
    let role = format!("r_{}", fresh());
    let creation = format!("CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT, INSERT ON contract_ledger TO {role}");
    server.client().await.batch_execute(&creation).await.unwrap();
    let url = server.url().replace("app:test%3Asecret", &format!("{role}:x"));
    let store = PostgresStore::new(settings(&url));
    let error = chain(&store.connect().await.unwrap_err());
    assert_eq!(
        error,
        "the ledger refused the request: the role may not UPDATE, DELETE on table contract_ledger; grant it"
    );
    let claimed = Ledger::new(store).claim(&attempt(&fresh_key(), NOW), soon()).await;
    let error = chain(&claimed.unwrap_err());
    assert!(
        error.contains("SQLSTATE 42501") && error.contains("grant the role"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_password_or_database_is_refused_without_it() {
    let Some(server) = Server::start().await else { return };
    for (from, to, code) in [("test%3Asecret", "wrong", "28P01"), ("/postgres", "/nowhere", "3D000")] {
        let store = PostgresStore::new(settings(&server.url().replace(from, to)));
        let error = store.connect().await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, StoreError::Refused(_)) && text.contains(code), "{text}");
        assert!(!text.contains("secret") && !text.contains("wrong"), "{text}");
    }
    // Nothing listens there.
    let store = PostgresStore::new(settings("postgres://app:secret@127.0.0.1:9/postgres?sslmode=disable"));
    let error = store.connect().await.unwrap_err();
    let text = chain(&error);
    assert!(matches!(error, StoreError::NoAnswer(_)), "{text}");
    assert!(
        text.contains("Connection refused") && text.ends_with("(server 127.0.0.1:9)") && !text.contains("secret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_required() {
    let Some(server) = Server::start().await else { return };
    let Some(ca) = crate::server::variable("POSTGRES_TEST_CA") else {
        return;
    };
    let named = server
        .url()
        .replace("127.0.0.1", "localhost")
        .replace("?sslmode=disable", "");
    let numbered = server.url().replace("?sslmode=disable", "");
    for mode in ["", "&sslmode=require", "&sslmode=verify-full", "&sslmode=prefer"] {
        let trusted = PostgresStore::new(settings(&format!("{named}?sslrootcert={ca}{mode}")));
        trusted.connect().await.unwrap();
    }
    for url in [
        format!("{named}?sslmode=require"),
        format!("{named}?sslmode=prefer"),
        format!("{numbered}?sslrootcert={ca}"),
    ] {
        let error = PostgresStore::new(settings(&url)).connect().await.unwrap_err();
        let text = chain(&error);
        assert!(
            matches!(error, StoreError::Refused(_)) && text.contains("the certificate was refused: "),
            "{text}"
        );
    }
}

/// Legal in a key and in a reason, but not in a text of PostgreSQL.
#[tokio::test]
async fn keys_and_reasons_may_have_nul_characters() {
    let Some(server) = Server::start().await else { return };
    let name = fresh();
    let [key, other] = ["\0", "\u{fffd}"].map(|end| Key::new("contract", &format!("{name}{end}")).unwrap());
    assert_eq!(
        reject(server.ledger(), attempt(&key, NOW), "no \0").await,
        Answer::Applied
    );
    let rejected = Claim::NotFree(Existing::Rejected("no \u{fffd}".to_owned()));
    assert_eq!(
        server.ledger().claim(&attempt(&key, NOW), soon()).await.unwrap(),
        rejected
    );
    assert!(matches!(
        server.ledger().claim(&attempt(&other, NOW), soon()).await.unwrap(),
        Claim::Granted(_)
    ));
}

#[tokio::test]
async fn a_row_that_is_no_record_is_unreadable() {
    let Some(server) = Server::start().await else { return };
    for (column, value) in [("status", "'DONE'"), ("expiration", "-1"), ("outgoing", "'[{}]'")] {
        let key = fresh_key();
        assert_eq!(
            complete(server.ledger(), attempt(&key, NOW), Completion::new()).await,
            Answer::Applied
        );
        let update = format!("UPDATE contract_ledger SET {column} = {value} WHERE id = $1");
        server
            .client()
            .await
            .execute(&update, &[&key.record_id()])
            .await
            .unwrap();
        let error = server.store().record(&key).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Unreadable { attribute, .. } if *attribute == column),
            "{error:?}"
        );
        // By a claim, by a completion with writes.
        let claimed = server.ledger().claim(&attempt(&key, NOW), soon()).await;
        assert!(claimed.is_err() || column == "expiration", "{column}: {claimed:?}");
    }
}

/// Powertools leaves the end of the lease in a completed record, and writes no owner. Such records may have been copied to this table.
#[tokio::test]
async fn a_completed_record_with_an_old_lease_end_is_a_duplicate() {
    let Some(server) = Server::start().await else { return };
    let key = fresh_key();
    let insert = "INSERT INTO contract_ledger (id, status, expiration, in_progress_expiration, data) \
        VALUES ($1, 'COMPLETED', 9000000000, 1, '{}')";
    server
        .client()
        .await
        .execute(insert, &[&key.record_id()])
        .await
        .unwrap();
    let existing = Existing::Completed {
        data: Some("{}".to_owned()),
        outgoing: vec![],
    };
    let claimed = server.ledger().claim(&attempt(&key, NOW), soon()).await.unwrap();
    assert_eq!(claimed, Claim::NotFree(existing.clone()));
    let completion = Completion::new().write(server.effect(&fresh()));
    let committed = complete(server.ledger(), attempt(&key, NOW), completion).await;
    assert_eq!(committed, Answer::NotFree(existing));
}
