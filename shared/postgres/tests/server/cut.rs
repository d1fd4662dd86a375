//! A connection that is cut at each boundary between messages, in both directions.

use std::sync::atomic::Ordering;

use conformance::store::{
    AFTER_LEASE, LEASE, NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, reject, release, soon,
};
use idempotency::{Answer, Completion, Ledger, StoreError};
use postgres::PostgresStore;

use crate::proxy::{Fault, Proxy};
use crate::server::{Server, chain, effect, fresh, settings};

/// A change that is sent through the proxy.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Claim,
    Completion,
    Commit,
    Release,
    Rejection,
    Extension,
}

/// Makes the change through a proxy with this fault. It must be made, and its effects once.
async fn is_made(server: &Server, sent: Sent, fault: Fault) -> Proxy {
    let proxy = Proxy::start(server.url(), fault).await;
    let cut = Ledger::new(PostgresStore::new(settings(&proxy.url)));
    let (attempt, name) = (attempt(&fresh_key(), NOW), fresh());
    let key = attempt.key().clone();
    let completion = || {
        Completion::new()
            .write(effect(&name))
            .write(effect(&format!("{name} 2")))
    };
    match sent {
        Sent::Claim => drop(lease(&cut, attempt).await),
        Sent::Commit => assert_eq!(
            complete(&cut, attempt, completion()).await,
            Answer::Applied,
            "{fault:?}"
        ),
        _ => {
            let mut held = lease(server.ledger(), attempt).await;
            match sent {
                Sent::Completion => assert_eq!(complete(&cut, held, completion()).await, Answer::Applied, "{fault:?}"),
                Sent::Release => assert_eq!(release(&cut, held).await, Answer::Applied, "{fault:?}"),
                Sent::Rejection => assert_eq!(reject(&cut, held, "why").await, Answer::Applied, "{fault:?}"),
                _ => assert!(
                    cut.extend(&mut held, AFTER_LEASE.plus(LEASE), soon()).await.unwrap(),
                    "{fault:?}"
                ),
            }
        }
    }
    let effects = [server.effects(&name).await, server.effects(&format!("{name} 2")).await];
    let once = usize::from(matches!(sent, Sent::Completion | Sent::Commit));
    assert_eq!(effects, [once, once], "{sent:?} {fault:?}");
    let is_there = !matches!(sent, Sent::Release);
    assert_eq!(server.record(&key).await.is_some(), is_there, "{sent:?} {fault:?}");
    proxy
}

/// Cuts the change at each boundary.
async fn survives_cuts(sent: Sent) {
    let _shows = Shows("promises 4 and 6");
    let Some(server) = Server::start().await else { return };
    let whole = is_made(&server, sent, Fault::None).await;
    let (requests, answers) = (
        whole.seen.requests.load(Ordering::SeqCst),
        whole.seen.answers.load(Ordering::SeqCst),
    );
    assert!(requests >= 8 && answers > 12, "{requests} requests, {answers} answers");
    let mut cut = 0;
    for count in 0..requests {
        cut += is_made(&server, sent, Fault::CutAfterRequests(count))
            .await
            .connections()
            - 1;
    }
    for count in 0..answers {
        cut += is_made(&server, sent, Fault::CutAfterAnswers(count))
            .await
            .connections()
            - 1;
    }
    // After its last message a connection may be cut too late to be noticed.
    assert!(
        cut >= requests + answers - 2,
        "{cut} of {} cuts were noticed",
        requests + answers
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_survives_a_cut_at_each_message() {
    survives_cuts(Sent::Claim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_survives_a_cut_at_each_message() {
    survives_cuts(Sent::Completion).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_survives_a_cut_at_each_message() {
    survives_cuts(Sent::Commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_survives_a_cut_at_each_message() {
    survives_cuts(Sent::Release).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_survives_a_cut_at_each_message() {
    survives_cuts(Sent::Rejection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_survives_a_cut_at_each_message() {
    survives_cuts(Sent::Extension).await;
}

/// `BEGIN` fails, for example because an operator cancels it. The statements after it, which are under way, are no transactions of their
/// own.
#[tokio::test]
async fn without_a_transaction_nothing_is_applied() {
    let _shows = Shows("promise 6");
    let Some(server) = Server::start().await else { return };
    for claimed in [true, false] {
        let proxy = Proxy::start(server.url(), Fault::NoTransaction).await;
        let broken = Ledger::new(PostgresStore::new(settings(&proxy.url)));
        let (attempt, name) = (attempt(&fresh_key(), NOW), fresh());
        let before = match claimed {
            true => Some(lease(server.ledger(), attempt.clone()).await),
            false => None,
        };
        let there = server.record(attempt.key()).await;
        let completion = Completion::new().write(effect(&name));
        let sealed = match before {
            Some(held) => broken.seal(held, completion).unwrap(),
            None => broken.seal(attempt.clone(), completion).unwrap(),
        };
        let error = broken.complete(sealed, soon()).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Refused(_)) && chain(&error).contains("BEGUN"),
            "{}",
            chain(&error)
        );
        assert_eq!(
            (server.effects(&name).await, server.record(attempt.key()).await),
            (0, there)
        );
    }
}
