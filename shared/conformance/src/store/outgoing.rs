//! Messages that are recorded with a completion: every delivery after it learns of them, until the record expires.

use std::sync::Arc;

use idempotency::{Answer, Attempt, Claim, Completion, Existing, OutgoingMessage, Refusal, Settled};

use super::{AFTER_LEASE, NOW, Shows, UnderTest, WriteOf, attempt, complete, fresh_key, lease, reject, soon};

/// Of all that a message can have, in characters that JSON and UTF-8 make longer.
pub fn messages() -> Vec<OutgoingMessage> {
    vec![
        OutgoingMessage::new("https://queue/1", "{\"text\": \"Grüße\\n\"}")
            .with_attribute("kind", "\u{1f4e6} \"parcel\"")
            .with_attribute("empty", ""),
        OutgoingMessage::new("https://queue/2.fifo", "second")
            .with_group("g")
            .with_key("the second"),
        OutgoingMessage::new("https://queue/1", ""),
        // Legal in a message's text, and in JSON as an escape. Some databases accept neither.
        OutgoingMessage::new("https://queue/1", "zero: \0"),
    ]
}

/// A completion with messages, and an effect of this name.
pub fn sending<U: UnderTest>(store: &U, effect: Option<&str>) -> Completion<WriteOf<U>> {
    let completion = messages().into_iter().fold(Completion::new(), Completion::send);
    match effect {
        Some(name) => completion.write(store.effect(name)),
        None => completion,
    }
}

/// The same messages, as an attempt gets them that finds the record.
fn recorded(attempt: &Attempt) -> Existing {
    let [first, second, third, fourth]: [_; 4] = messages().try_into().unwrap();
    let id = attempt.key().record_id();
    let keyed = vec![
        first.with_key(format!("{id}/0")),
        second,
        third.with_key(format!("{id}/2")),
        fourth.with_key(format!("{id}/3")),
    ];
    Existing::Completed {
        data: None,
        outgoing: keyed,
    }
}

/// Promise 5: every later attempt finds the messages of [`sending`].
pub async fn sent_ones_are_found(store: &impl UnderTest, first: &Attempt) {
    let (ledger, later) = (store.ledger(), attempt(first.key(), AFTER_LEASE));
    let existing = recorded(first);
    assert_eq!(
        ledger.claim(&later, soon()).await.unwrap(),
        Claim::NotFree(existing.clone())
    );
    // Nor does another completion replace them.
    let other = Completion::new().send(OutgoingMessage::new("https://queue/1", "other"));
    assert_eq!(
        complete(ledger, later.clone(), other).await,
        Answer::NotFree(existing.clone())
    );
    assert_eq!(reject(ledger, later, "why").await, Answer::NotFree(existing));
}

/// Promises 4 and 5.
pub async fn messages_of_a_claimed_completion_survive(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 4 and 5");
    for with_write in [false, true] {
        let first = attempt(&fresh_key(), NOW);
        let name = first.key().record_id();
        let (held, copy) = (
            lease(store.ledger(), first.clone()).await,
            lease(store.ledger(), first.clone()).await,
        );
        // The second as after a lost reply.
        for held in [held, copy] {
            let completion = sending(&**store, with_write.then_some(name));
            assert_eq!(complete(store.ledger(), held, completion).await, Answer::Applied);
        }
        sent_ones_are_found(&**store, &first).await;
        assert_eq!(store.effects(name).await, usize::from(with_write));
    }
}

/// Promises 4 and 5.
pub async fn messages_of_a_commit_survive(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 4 and 5");
    for with_write in [false, true] {
        let first = attempt(&fresh_key(), NOW);
        let name = first.key().record_id();
        for _ in 0..2 {
            let completion = sending(&**store, with_write.then_some(name));
            assert_eq!(
                complete(store.ledger(), first.clone(), completion).await,
                Answer::Applied
            );
        }
        sent_ones_are_found(&**store, &first).await;
        assert_eq!(store.effects(name).await, usize::from(with_write));
    }
}

/// Promise 5.
pub async fn messages_stay_if_the_effect_existed(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 5");
    let first = attempt(&fresh_key(), NOW);
    let name = first.key().record_id();
    let completion =
        sending(&**store, Some(name)).write(store.refused_effect(&format!("{name} 2"), Refusal::AlreadyDone));
    let sealed = store.ledger().seal(first.clone(), completion).unwrap();
    let Settled::Refused(sealed, Refusal::AlreadyDone) = store.ledger().complete(sealed, soon()).await.unwrap() else {
        panic!("not refused");
    };
    let answer = store.ledger().complete(sealed.without_writes(), soon()).await.unwrap();
    assert!(matches!(answer, Settled::Done), "{answer:?}");
    sent_ones_are_found(&**store, &first).await;
    assert_eq!(store.effects(name).await, 0);
}
