//! A server that is killed while it works, and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use conformance::store::{NOW, Shows, UnderTest, attempt, complete, fresh_key, lease};
use idempotency::{Answer, Completion};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::server::{Server, variable};

/// Work until the server is back, and a little longer. Every second key is claimed first.
async fn work(server: Arc<Server>, made: Arc<AtomicUsize>, is_back: Arc<AtomicBool>) -> Vec<String> {
    let (mut names, mut afterwards) = (Vec::new(), 0);
    while afterwards < 10 {
        afterwards += usize::from(is_back.load(Ordering::SeqCst));
        let attempt = attempt(&fresh_key(), NOW);
        let name = attempt.key().record_id().to_owned();
        let completion = Completion::new().write(server.effect(&name));
        let answer = match names.len() % 2 {
            0 => complete(server.ledger(), lease(server.ledger(), attempt).await, completion).await,
            _ => complete(server.ledger(), attempt, completion).await,
        };
        assert_eq!(answer, Answer::Applied);
        names.push(name);
        made.fetch_add(1, Ordering::SeqCst);
    }
    names
}

/// Three times: each kill is at another moment of eight transactions.
#[tokio::test(flavor = "multi_thread")]
async fn work_survives_a_server_that_is_killed() {
    let _shows = Shows("promises 3, 4 and 6");
    let (Some(url), Some(command)) = (variable("POSTGRES_CRASH_URL"), variable("POSTGRES_CRASH")) else {
        return;
    };
    for _ in 0..3 {
        let server = Arc::new(Server::at(&url).await);
        let (made, is_back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut workers = JoinSet::new();
        for _ in 0..8 {
            workers.spawn(work(Arc::clone(&server), Arc::clone(&made), Arc::clone(&is_back)));
        }
        while made.load(Ordering::SeqCst) < 20 {
            tokio::task::yield_now().await;
        }
        let crashed = Command::new("bash").arg(&command).status().await.unwrap();
        assert!(crashed.success(), "{command} failed");
        is_back.store(true, Ordering::SeqCst);
        let names = workers.join_all().await.into_iter().flatten();
        let server = Server::at(&url).await;
        for name in names {
            assert_eq!(server.effects(&name).await, 1);
        }
    }
}
