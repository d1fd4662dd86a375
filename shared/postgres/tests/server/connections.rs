//! Connections: used again, closed, replaced.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conformance::store::{NOW, UnderTest, attempt, complete, fresh_key, lease, release, soon};
use idempotency::{Answer, Completion, Ledger, Refusal};
use postgres::{PostgresStore, SqlWrite};
use tokio::task::JoinSet;

use crate::proxy::{Fault, Proxy};
use crate::server::{Server, effect, fresh, settings};

/// Also after an error in a transaction.
#[tokio::test]
async fn one_connection_serves_requests_one_after_the_other() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::start(server.url(), Fault::None).await;
    let ledger = Ledger::new(PostgresStore::new(settings(&proxy.url)));
    for _ in 0..5 {
        let key = fresh_key();
        let held = lease(&ledger, attempt(&key, NOW)).await;
        assert_eq!(release(&ledger, held).await, Answer::Applied);
        let refused = SqlWrite::check("SELECT WHERE false").if_refused(|_| Refusal::AlreadyDone);
        let completion = Completion::new().write(effect(&fresh())).write(refused);
        let answer = complete(&ledger, attempt(&key, NOW), completion).await;
        assert_eq!(answer, Answer::WriteRefused(Refusal::AlreadyDone));
        let broken = Completion::new().write(SqlWrite::new("INSRT"));
        let sealed = ledger.seal(attempt(&key, NOW), broken).unwrap();
        assert!(ledger.complete(sealed, soon()).await.is_err());
        let completion = Completion::new().write(effect(&fresh()));
        assert_eq!(complete(&ledger, attempt(&key, NOW), completion).await, Answer::Applied);
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_as_many_as_stated_at_most() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::start(server.url(), Fault::None).await;
    let ledger = Arc::new(Ledger::new(PostgresStore::new(
        settings(&proxy.url).with_max_connections(3),
    )));
    let mut all = JoinSet::new();
    for _ in 0..40 {
        let ledger = Arc::clone(&ledger);
        all.spawn(async move { complete(&ledger, attempt(&fresh_key(), NOW), Completion::new()).await });
    }
    assert!(all.join_all().await.into_iter().all(|answer| answer == Answer::Applied));
    assert!(proxy.seen.most_open.load(Ordering::SeqCst) <= 3);
}

/// A server, or a network, that stops in the middle of an answer.
#[tokio::test]
async fn a_connection_that_does_not_answer_is_replaced() {
    let Some(server) = Server::start().await else { return };
    let whole = Proxy::start(server.url(), Fault::None).await;
    let ledger = Ledger::new(PostgresStore::new(settings(&whole.url)));
    complete(
        &ledger,
        attempt(&fresh_key(), NOW),
        Completion::new().write(effect(&fresh())),
    )
    .await;
    let answers = whole.seen.answers.load(Ordering::SeqCst);
    for missing in [1, 3] {
        let proxy = Proxy::start(server.url(), Fault::StallAfterAnswers(answers - missing)).await;
        let settings = settings(&proxy.url).with_timeout(Duration::from_millis(500));
        let (ledger, name) = (Ledger::new(PostgresStore::new(settings)), fresh());
        let completion = Completion::new().write(effect(&name));
        assert_eq!(
            complete(&ledger, attempt(&fresh_key(), NOW), completion).await,
            Answer::Applied
        );
        assert_eq!(server.effects(&name).await, 1);
        assert!(proxy.connections() > 1);
    }
}

/// A transaction that is dropped while it waits may still be committed. Its connection is not used for another request.
#[tokio::test]
async fn a_request_that_is_dropped_closes_its_connection() {
    let Some(server) = Server::start().await else { return };
    let table = server.table("CREATE TABLE $ (n int); INSERT INTO $ VALUES (0)").await;
    let proxy = Proxy::start(server.url(), Fault::None).await;
    let ledger = Ledger::new(PostgresStore::new(settings(&proxy.url)));
    let rival = server.client().await;
    rival
        .batch_execute(&format!("BEGIN; UPDATE {table} SET n = n + 10"))
        .await
        .unwrap();

    let attempt = attempt(&fresh_key(), NOW);
    let completion = || Completion::new().write(SqlWrite::new(format!("UPDATE {table} SET n = n + 1")));
    let waits = async {
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
    };
    tokio::select! {
        answer = complete(&ledger, attempt.clone(), completion()) => panic!("not waiting: {answer:?}"),
        () = waits => {}
    }
    // Another request gets another connection.
    let other = complete(
        &ledger,
        conformance::store::attempt(&fresh_key(), NOW),
        Completion::new(),
    )
    .await;
    assert_eq!((other, proxy.connections()), (Answer::Applied, 2));
    rival.batch_execute("COMMIT").await.unwrap();
    assert_eq!(complete(&ledger, attempt, completion()).await, Answer::Applied);
    assert_eq!(server.count(&table, "n = 11").await, 1);
}

#[tokio::test]
async fn connections_that_the_server_closed_are_replaced() {
    let Some(server) = Server::start().await else { return };
    let name = fresh();
    let url = format!("{}&application_name={name}", server.url());
    let ledger = Ledger::new(PostgresStore::new(settings(&url)));
    let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
    for _ in 0..3 {
        let completion = Completion::new().write(effect(&name));
        assert_eq!(
            complete(&ledger, attempt(&fresh_key(), NOW), completion).await,
            Answer::Applied
        );
        let terminated = server.client().await.query_one(terminate, &[&name]).await.unwrap();
        assert_eq!(terminated.get::<_, i64>(0), 1);
    }
    assert_eq!(server.effects(&name).await, 3);
}
