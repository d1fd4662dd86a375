//! What operators can do to a record, and what they can't.

use std::time::Duration;

use conformance::store::{NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, reject, release, soon};
use idempotency::{Answer, Claim, Completion, OutgoingMessage, Record};

use crate::server::Server;

#[tokio::test]
async fn a_deleted_rejection_leaves_its_key_free() {
    let Some(server) = Server::start().await else { return };
    let (key, store) = (fresh_key(), server.store());
    assert_eq!(
        reject(server.ledger(), attempt(&key, NOW), "why").await,
        Answer::Applied
    );
    let rejected = store.record(&key).await.unwrap().unwrap();
    // The second as after a lost reply.
    for _ in 0..2 {
        assert!(store.delete_record(&key, &rejected).await.unwrap());
    }
    let claimed = server.ledger().claim(&attempt(&key, NOW), soon()).await.unwrap();
    assert!(matches!(claimed, Claim::Granted(_)));
    assert!(!store.delete_record(&key, &rejected).await.unwrap());
}

#[tokio::test]
async fn a_completed_record_is_never_deleted() {
    let _shows = Shows("promise 3");
    let Some(server) = Server::start().await else { return };
    let (key, store) = (fresh_key(), server.store());
    complete(server.ledger(), attempt(&key, NOW), Completion::new()).await;
    let done = store.record(&key).await.unwrap().unwrap();
    assert!(!store.delete_record(&key, &done).await.unwrap());
    assert_eq!(store.record(&key).await.unwrap(), Some(done));
}

#[tokio::test]
async fn a_claim_is_deleted_only_as_it_was_seen() {
    let Some(server) = Server::start().await else { return };
    let (key, store) = (fresh_key(), server.store());
    let mut held = lease(server.ledger(), attempt(&key, NOW)).await;
    let seen = store.record(&key).await.unwrap().unwrap();
    let later = NOW.plus(Duration::from_secs(60));
    assert!(server.ledger().extend(&mut held, later, soon()).await.unwrap());
    assert!(!store.delete_record(&key, &seen).await.unwrap());
    let seen = store.record(&key).await.unwrap().unwrap();
    assert!(store.delete_record(&key, &seen).await.unwrap());
    // Its holder can't bring it back.
    assert_eq!(release(server.ledger(), held).await, Answer::Applied);
    assert_eq!(store.record(&key).await.unwrap(), None);
}

#[tokio::test]
async fn only_a_completed_record_is_corrected_and_only_as_seen() {
    let Some(server) = Server::start().await else { return };
    let (key, store) = (fresh_key(), server.store());
    let message = |url: &str| OutgoingMessage::new(url, "b").with_key("k");
    let correct = async |seen: &Record, url: &str| store.correct_outgoing(&key, seen, &[message(url)]).await.unwrap();
    let held = lease(server.ledger(), attempt(&key, NOW)).await;
    let claimed = store.record(&key).await.unwrap().unwrap();
    assert!(!correct(&claimed, "right").await);
    let completion = Completion::new().data(7.into()).send(message("wrong"));
    assert_eq!(complete(server.ledger(), held, completion).await, Answer::Applied);
    let seen = store.record(&key).await.unwrap().unwrap();
    // The second as if the reply was lost; and another operator's correction stays.
    for (url, is_corrected) in [("right", true), ("right", true), ("another", false)] {
        assert_eq!(correct(&seen, url).await, is_corrected, "{url}");
    }
    let expected = Record {
        outgoing: vec![message("right")],
        ..seen
    };
    assert_eq!(store.record(&key).await.unwrap(), Some(expected));
}
