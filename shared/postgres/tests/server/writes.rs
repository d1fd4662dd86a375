//! What a write may do, and what its refusal means.

use std::sync::{Arc, Mutex};

use conformance::store::{NOW, UnderTest, attempt, complete, fresh_key, lease, release, soon};
use idempotency::{Answer, Completion, Refusal, Settled, StoreError};
use postgres::{Found, SqlWrite};

use crate::server::{Server, chain, effect, fresh};

/// The answer to a completion in one step with an effect and then this write; nothing may be committed unless it is applied.
async fn answer(server: &Server, write: SqlWrite) -> Answer {
    let (name, attempt) = (fresh(), attempt(&fresh_key(), NOW));
    let completion = Completion::new().write(effect(&name)).write(write);
    let answer = complete(server.ledger(), attempt.clone(), completion).await;
    let applied = usize::from(answer == Answer::Applied);
    assert_eq!(server.effects(&name).await, applied, "{answer:?}");
    assert_eq!(server.record(attempt.key()).await.iter().count(), applied, "{answer:?}");
    answer
}

/// The error of such a completion.
async fn error(server: &Server, write: SqlWrite) -> StoreError {
    let (name, attempt) = (fresh(), attempt(&fresh_key(), NOW));
    let completion = Completion::new().write(effect(&name)).write(write);
    let sealed = server.ledger().seal(attempt.clone(), completion).unwrap();
    let error = server.ledger().complete(sealed, soon()).await.unwrap_err();
    assert_eq!(
        (server.effects(&name).await, server.record(attempt.key()).await),
        (0, None)
    );
    error
}

/// A write that keeps what refused it.
fn keeping(write: SqlWrite) -> (SqlWrite, Arc<Mutex<Option<Found>>>) {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let write = write.if_refused(move |found| {
        *keep.lock().unwrap() = found.cloned();
        Refusal::Permanent("kept".to_owned())
    });
    (write, kept)
}

async fn found(server: &Server, write: SqlWrite) -> Found {
    let (write, kept) = keeping(write);
    assert_eq!(
        answer(server, write).await,
        Answer::WriteRefused(Refusal::Permanent("kept".to_owned()))
    );
    let found = kept.lock().unwrap().take();
    found.unwrap()
}

#[tokio::test]
async fn a_write_must_touch_as_many_rows_as_it_states() {
    let Some(server) = Server::start().await else { return };
    let table = server
        .table("CREATE TABLE $ (n int); INSERT INTO $ VALUES (1), (2), (3)")
        .await;
    let update =
        |most: i64| SqlWrite::new(format!("UPDATE {table} SET n = n WHERE n <= $1 -- all of them\n")).bind(most);
    for (most, rows) in [(0, 0), (1, 1), (3, 3)] {
        assert_eq!(
            answer(&server, update(most).must_touch(rows)).await,
            Answer::Applied,
            "{most}"
        );
        assert_eq!(
            answer(&server, update(most).may_touch_any_number()).await,
            Answer::Applied,
            "{most}"
        );
        let refused = found(&server, update(most).must_touch(rows + 1)).await;
        assert_eq!(refused, Found::Touched { rows });
    }
    let delete = |n: i64| SqlWrite::new(format!("DELETE FROM {table} WHERE n >= $1")).bind(n);
    assert_eq!(found(&server, delete(2)).await.rows(), Some(2));
    assert_eq!(answer(&server, delete(3)).await, Answer::Applied);
    assert_eq!(server.count(&table, "true").await, 2);
    let insert = SqlWrite::new(format!("INSERT INTO {table} SELECT n FROM {table}"));
    assert_eq!(found(&server, insert.clone()).await.rows(), Some(2));
    assert_eq!(answer(&server, insert.must_touch(2)).await, Answer::Applied);
}

#[tokio::test]
async fn a_check_changes_nothing_and_refuses_a_missing_row() {
    let Some(server) = Server::start().await else { return };
    let table = server.table("CREATE TABLE $ (n int); INSERT INTO $ VALUES (1)").await;
    let check = |n: i64| SqlWrite::check(format!("SELECT FROM {table} WHERE n = $1 FOR SHARE")).bind(n);
    assert_eq!(answer(&server, check(1)).await, Answer::Applied);
    assert_eq!(found(&server, check(2)).await.rows(), Some(0));
}

#[tokio::test]
async fn a_violated_constraint_is_named() {
    let Some(server) = Server::start().await else { return };
    let table = server
        .table("CREATE TABLE $ (n int PRIMARY KEY, m int NOT NULL CHECK (m > 0)); INSERT INTO $ VALUES (1, 1)")
        .await;
    let insert = |n: i64, m: Option<i64>| {
        SqlWrite::new(format!("INSERT INTO {table} VALUES ($1, $2)"))
            .bind(n)
            .bind(m)
    };
    for (write, constraint, code) in [
        (insert(1, Some(1)), "_pkey", "23505"),
        (insert(2, Some(0)), "_m_check", "23514"),
        (insert(2, None), "", "23502"),
    ] {
        let name = if constraint.is_empty() {
            String::new()
        } else {
            format!("{table}{constraint}")
        };
        let expected = Found::Constraint {
            name,
            table: table.clone(),
            code: code.to_owned(),
        };
        assert_eq!(found(&server, write).await, expected);
    }
    let unstated = answer(&server, insert(1, Some(1))).await;
    let expected = format!(
        "`INSERT INTO {table} VALUES ($1, $2)` violates constraint \"{table}_pkey\" of table \"{table}\" (SQLSTATE 23505)"
    );
    assert_eq!(unstated, Answer::WriteRefused(Refusal::Retry(expected)));
    assert_eq!(server.count(&table, "true").await, 1);
}

/// The server answers every statement, and then refuses the commit.
#[tokio::test]
async fn a_deferred_constraint_refuses_the_whole_completion() {
    let Some(server) = Server::start().await else { return };
    let table = server
        .table("CREATE TABLE $ (n int, m int, CONSTRAINT $_u UNIQUE (n) DEFERRABLE INITIALLY DEFERRED); INSERT INTO $ VALUES (1, 0), (2, 0)")
        .await;
    let set = |from: i64, to: i64| {
        SqlWrite::new(format!("UPDATE {table} SET n = $2, m = 1 WHERE n = $1 AND m = 0"))
            .bind(from)
            .bind(to)
    };
    let refused = found(&server, set(1, 2)).await;
    assert_eq!(refused.constraint(), Some(format!("{table}_u").as_str()));
    assert_eq!(server.count(&table, "m = 1").await, 0);

    // Under a lease, which still holds.
    let held = lease(server.ledger(), attempt(&fresh_key(), NOW)).await;
    let sealed = server.ledger().seal(held, Completion::new().write(set(1, 2))).unwrap();
    let Settled::Refused(sealed, _) = server.ledger().complete(sealed, soon()).await.unwrap() else {
        panic!("not refused");
    };
    assert_eq!(release(server.ledger(), sealed.into_hold()).await, Answer::Applied);

    // At the end of the transaction it holds again.
    let completion = Completion::new().write(set(1, 2)).write(set(2, 1));
    assert_eq!(
        complete(server.ledger(), attempt(&fresh_key(), NOW), completion).await,
        Answer::Applied
    );
}

#[tokio::test]
async fn an_error_that_a_trigger_raises_is_a_refusal() {
    let Some(server) = Server::start().await else { return };
    let raising = "CREATE FUNCTION $_f() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN RAISE EXCEPTION ''too many of %'', NEW.n USING ERRCODE = ''MY001''; END';";
    for (creation, code) in [
        (raising.to_owned(), "MY001"),
        (raising.replace(" USING ERRCODE = ''MY001''", ""), "P0001"),
    ] {
        let table = server
            .table(&format!("{creation} CREATE TABLE $ (n int); CREATE TRIGGER r BEFORE INSERT ON $ FOR EACH ROW EXECUTE FUNCTION $_f()"))
            .await;
        let insert = SqlWrite::new(format!("INSERT INTO {table} VALUES ($1)")).bind(7);
        let expected = Found::Raised {
            code: code.to_owned(),
            message: "too many of 7".to_owned(),
        };
        assert_eq!(found(&server, insert).await, expected);
    }
}

#[tokio::test]
async fn a_value_that_no_column_can_hold_is_refused_for_good() {
    let Some(server) = Server::start().await else { return };
    let table = server.table("CREATE TABLE $ (n int, j jsonb)").await;
    let insert = |column: &str| {
        SqlWrite::new(format!("INSERT INTO {table} ({column}) VALUES ($1)"))
            .if_refused(|_| unreachable!("no condition"))
    };
    let overflow = insert("n").bind(i64::MAX);
    let text = insert("n").bind("the statement touched 0 rows (attempt x)");
    let nul = insert("j").bind(serde_json::json!("\0"));
    for write in [overflow, text, nul, insert("n").bind("\0"), insert("n\0").bind(1)] {
        let answer = answer(&server, write).await;
        let Answer::WriteRefused(Refusal::Permanent(why)) = &answer else {
            panic!("{answer:?}");
        };
        assert!(why.contains(&format!("write 1: `INSERT INTO {table} (")), "{why}");
    }
}

#[tokio::test]
async fn a_statement_that_can_not_run_is_refused_and_named() {
    let Some(server) = Server::start().await else { return };
    for (write, expected) in [
        (
            SqlWrite::new("INSERT INTO nowhere VALUES (1)"),
            "relation \"nowhere\" does not exist (SQLSTATE 42P01, write 1: `INSERT INTO nowhere VALUES (1)`)",
        ),
        (
            SqlWrite::new("INSRT"),
            "syntax error at or near \"INSRT\" (SQLSTATE 42601, write 1: `INSRT`)",
        ),
        (
            SqlWrite::new("UPDATE contract_effects SET n = $1 WHERE name = $2").bind(1),
            "SQLSTATE 08P01, write 1",
        ),
        (SqlWrite::check("SELECT 1").bind(1), "SQLSTATE 42P18, write 1"),
    ] {
        let error = error(&server, write).await;
        assert!(
            matches!(error, StoreError::Refused(_)) && chain(&error).contains(expected),
            "{}",
            chain(&error)
        );
    }
}

/// Otherwise the statements after it would be transactions of their own.
#[tokio::test]
async fn a_write_can_not_end_the_transaction() {
    let Some(server) = Server::start().await else { return };
    for statement in [
        "COMMIT",
        "ROLLBACK",
        "DELETE FROM contract_effects WHERE false; COMMIT",
        "SELECT 1) SELECT 1; COMMIT; SELECT (1",
    ] {
        for write in [SqlWrite::new(statement), SqlWrite::check(statement)] {
            let error = error(&server, write.may_touch_any_number()).await;
            assert!(chain(&error).contains("SQLSTATE 42601"), "{}", chain(&error));
        }
    }
}

#[tokio::test]
async fn values_arrive_in_columns_of_their_types() {
    let Some(server) = Server::start().await else { return };
    let table = server
        .table("CREATE TABLE $ (t text, v varchar, i int, l bigint, d numeric, f float8, o bool, b bytea, j jsonb, u uuid, s timestamptz, e int)")
        .await;
    let insert = SqlWrite::new(format!(
        "INSERT INTO {table} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    ))
    .bind("Grüße '\\ $1")
    .bind("v".to_owned())
    .bind(-7)
    .bind(i64::MIN)
    .bind(u64::MAX)
    .bind(0.1)
    .bind(true)
    .bind(&b"\0\xff"[..])
    .bind(serde_json::json!({"a": [1, null]}))
    .bind("d0f9fdc7-bd07-533f-c645-07a1d721c8e2")
    .bind("2026-01-01T00:00:00Z")
    .bind(None::<i64>);
    assert_eq!(answer(&server, insert).await, Answer::Applied);
    let expected = "t = 'Grüße ''\\ $1' AND v = 'v' AND i = -7 AND l = -9223372036854775808 AND d = 18446744073709551615 AND f = 0.1 \
        AND o AND b = '\\x00ff' AND j = '{\"a\": [1, null]}' AND u = 'd0f9fdc7-bd07-533f-c645-07a1d721c8e2' \
        AND s = '2026-01-01 00:00:00+00' AND e IS NULL";
    assert_eq!(server.count(&table, expected).await, 1);
}

/// Another transaction changes the row first. The completion is sent again.
#[tokio::test]
async fn a_serialization_failure_is_repeated_until_it_is_applied() {
    let Some(server) = Server::start().await else { return };
    let url = format!(
        "{}&options=-c%20default_transaction_isolation%3Dserializable",
        server.url()
    );
    let serializable = Server::at(&url).await;
    let table = server.table("CREATE TABLE $ (n int); INSERT INTO $ VALUES (0)").await;
    let rival = server.client().await;
    rival
        .batch_execute(&format!("BEGIN; UPDATE {table} SET n = n + 1"))
        .await
        .unwrap();

    let update = SqlWrite::new(format!("UPDATE {table} SET n = n + 10"));
    let completion = Completion::new().write(update);
    let completing = complete(serializable.ledger(), attempt(&fresh_key(), NOW), completion);
    let meanwhile = async {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'";
        while server
            .client()
            .await
            .query_one(waiting, &[&table])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
        {}
        rival.batch_execute("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(completing, meanwhile);
    assert_eq!(answer, Answer::Applied);
    assert_eq!(server.count(&table, "n = 11").await, 1);
}

/// Two completions that lock the same rows in opposite orders, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_are_repeated_until_all_is_applied() {
    let Some(server) = Server::start().await else { return };
    let table = server
        .table("CREATE TABLE $ (id int, n int); INSERT INTO $ VALUES (1, 0), (2, 0)")
        .await;
    let add = |id: i64| SqlWrite::new(format!("UPDATE {table} SET n = n + 1 WHERE id = $1")).bind(id);
    let server = Arc::new(server);
    let mut all = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (first, second) = if n % 2 == 0 { (1, 2) } else { (2, 1) };
        let (server, completion) = (
            Arc::clone(&server),
            Completion::new().write(add(first)).write(add(second)),
        );
        all.spawn(async move { complete(server.ledger(), attempt(&fresh_key(), NOW), completion).await });
    }
    assert!(all.join_all().await.into_iter().all(|answer| answer == Answer::Applied));
    assert_eq!(server.count(&table, "n = 40").await, 2);
}
