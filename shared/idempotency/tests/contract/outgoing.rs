//! Messages that are recorded with a completion: every delivery after it learns of them, until the record expires.

use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{
    Attempt, Claim, Committed, Completed, Completion, Ledger, LedgerError, MemoryLedger, OutgoingMessage, Refusal,
    Standing, Write,
};

use crate::dynamodb::{DynamoDbStore, lacks};
use crate::store::{AFTER_LEASE, NOW, Store, attempt, effect, fresh_key, lease, refused_effect};

/// Of all that a message can have, in characters that JSON and UTF-8 make longer.
fn messages() -> Vec<OutgoingMessage> {
    vec![
        OutgoingMessage::new("https://queue/1", "{\"text\": \"Grüße\\n\"}")
            .with_attribute("kind", "\u{1f4e6} \"parcel\"")
            .with_attribute("empty", ""),
        OutgoingMessage::new("https://queue/2.fifo", "second")
            .with_group("g")
            .with_key("the second"),
        OutgoingMessage::new("https://queue/1", ""),
    ]
}

fn sending() -> Completion {
    messages().into_iter().fold(Completion::new(), Completion::send)
}

/// The same messages, as whoever finds the record gets them.
fn recorded(attempt: &Attempt) -> Standing {
    let [first, second, third]: [_; 3] = messages().try_into().unwrap();
    let id = attempt.key().record_id();
    let keyed = vec![
        first.with_key(format!("{id}/0")),
        second,
        third.with_key(format!("{id}/2")),
    ];
    Standing::Completed {
        data: None,
        outgoing: keyed,
    }
}

/// 5. What every later attempt is told.
async fn is_found(store: &impl Store, first: &Attempt) {
    let (ledger, later) = (store.ledger(), attempt(first.key(), AFTER_LEASE));
    let standing = recorded(first);
    assert_eq!(ledger.claim(&later).await.unwrap(), Claim::Refused(standing.clone()));
    // Nor does another completion replace them.
    let other = Completion::new().send(OutgoingMessage::new("https://queue/1", "other"));
    assert_eq!(
        ledger.commit(&later, &other).await.unwrap(),
        Committed::NotFree(standing.clone())
    );
    assert_eq!(ledger.reject_unclaimed(&later, "why").await.unwrap(), Some(standing));
}

/// 4 and 5.
async fn claimed_ones_survive(store: &impl Store) {
    for with_write in [false, true] {
        let first = attempt(&fresh_key(), NOW);
        let name = first.key().record_id();
        let completion = || match with_write {
            true => sending().write(effect(name)),
            false => sending(),
        };
        let (held, copy) = (
            lease(store.ledger(), first.clone()).await,
            lease(store.ledger(), first.clone()).await,
        );
        // The second as after a lost reply.
        for held in [held, copy] {
            assert_eq!(
                store.ledger().complete(held, &completion()).await.unwrap(),
                Completed::Done
            );
        }
        is_found(store, &first).await;
        assert_eq!(store.effects(name).await, usize::from(with_write));
    }
}

/// 4 and 5.
async fn committed_ones_survive(store: &impl Store) {
    for with_write in [false, true] {
        let first = attempt(&fresh_key(), NOW);
        let name = first.key().record_id();
        let completion = || match with_write {
            true => sending().write(effect(name)),
            false => sending(),
        };
        for _ in 0..2 {
            assert_eq!(
                store.ledger().commit(&first, &completion()).await.unwrap(),
                Committed::Done
            );
        }
        is_found(store, &first).await;
        assert_eq!(store.effects(name).await, usize::from(with_write));
    }
}

#[tokio::test]
async fn messages_of_a_completion_survive_in_memory() {
    claimed_ones_survive(&MemoryLedger::new()).await;
    committed_ones_survive(&MemoryLedger::new()).await;
}

#[tokio::test]
async fn messages_of_a_completion_survive_in_dynamodb() {
    if !lacks(&["old-items", "transactions"]) {
        let store = DynamoDbStore::start().await;
        claimed_ones_survive(&store).await;
        committed_ones_survive(&store).await;
    }
}

#[tokio::test]
async fn messages_of_a_completion_survive_a_lost_reply() {
    let store = DynamoDbStore::local().await;
    for (operation, with_write) in [("PutItem", false), ("TransactWriteItems", true)] {
        let lose_a_reply = || {
            store.emulation().inject(Fault {
                operation: operation.to_owned(),
                containing: Some("COMPLETED".to_owned()),
                times: 1,
                kind: FaultKind::LoseReply,
            });
        };
        let completion = || match with_write {
            true => sending().write(effect(operation)),
            false => sending(),
        };
        let (claimed, committed) = (attempt(&fresh_key(), NOW), attempt(&fresh_key(), NOW));
        let held = lease(store.ledger(), claimed.clone()).await;
        lose_a_reply();
        assert_eq!(
            store.ledger().complete(held, &completion()).await.unwrap(),
            Completed::Done
        );
        lose_a_reply();
        assert_eq!(
            store.ledger().commit(&committed, &completion()).await.unwrap(),
            Committed::Done
        );
        is_found(&store, &claimed).await;
        is_found(&store, &committed).await;
    }
    assert_eq!(store.effects("TransactWriteItems").await, 2);
}

#[tokio::test]
async fn messages_stay_where_the_writes_effect_was_there_already() {
    let store = DynamoDbStore::local().await;
    let first = attempt(&fresh_key(), NOW);
    let completion = sending().write(refused_effect("there already", Refusal::AlreadyDone));
    assert_eq!(
        store.ledger().commit(&first, &completion).await.unwrap(),
        Committed::Refused(Refusal::AlreadyDone)
    );
    let completion = completion.without_writes();
    assert_eq!(
        store.ledger().commit(&first, &completion).await.unwrap(),
        Committed::Done
    );
    is_found(&store, &first).await;
}

/// A completion for an attempt, that takes a byte more for each that it is given.
type Growing = fn(usize) -> (Attempt, Completion);

/// Results and messages, in short and long keys, with and without a fingerprint, at times with few and many digits.
const GROWING: [Growing; 5] = [
    |bytes| (attempt(&fresh_key(), NOW), Completion::new().data("x".repeat(bytes))),
    |bytes| {
        let data = format!("{}{}", "ü".repeat(150_000), "x".repeat(bytes));
        (
            attempt(&fresh_key(), AFTER_LEASE).with_fingerprint("f".repeat(64)),
            Completion::new().data(data),
        )
    },
    |bytes| {
        let message = OutgoingMessage::new("https://queue/1", "\"".repeat(100_000)).with_group("g");
        let longer = OutgoingMessage::new("https://queue/1", "x".repeat(bytes)).with_attribute("ü", "\u{1f4e6}");
        (attempt(&fresh_key(), NOW), Completion::new().send(message).send(longer))
    },
    |bytes| {
        let key = idempotency::Key::new("contract", &format!("{}{bytes}", "k".repeat(5000))).unwrap();
        (attempt(&key, NOW), sending().data("x".repeat(bytes)))
    },
    |bytes| {
        let early = idempotency::Timestamp::from_millis(1_000);
        let attempt = attempt(&fresh_key(), early).with_retention(std::time::Duration::from_secs(998));
        (attempt, Completion::new().data("x".repeat(bytes)))
    },
];

/// How many bytes fit, as the completion itself judges it.
fn most(growing: Growing) -> usize {
    let fits = |bytes: &usize| {
        let (attempt, completion) = growing(*bytes);
        completion.check(&attempt).is_ok()
    };
    let (mut fitting, mut too_many) = (0, 410_000);
    assert!(fits(&fitting) && !fits(&too_many));
    while too_many - fitting > 1 {
        let middle = fitting.midpoint(too_many);
        match fits(&middle) {
            true => fitting = middle,
            false => too_many = middle,
        }
    }
    fitting
}

#[tokio::test]
async fn a_record_that_is_judged_to_fit_does_and_a_few_bytes_more_do_not() {
    let store = DynamoDbStore::start().await;
    for growing in GROWING {
        let most = most(growing);
        let (first, completion) = growing(most);
        assert_eq!(
            store.ledger().commit(&first, &completion).await.unwrap(),
            Committed::Done
        );

        let (first, completion) = growing(most + 3);
        let error = store.ledger().commit(&first, &completion).await.unwrap_err();
        assert!(matches!(error, LedgerError::Refused(_)), "{most}: {error:?}");
    }
}

#[tokio::test]
async fn a_record_that_is_judged_to_fit_does_so_beside_writes_too() {
    if lacks(&["transactions"]) {
        return;
    }
    let store = DynamoDbStore::start().await;
    let growing = GROWING[0];
    let most = most(growing);
    let with_write = |bytes| {
        let (attempt, completion) = growing(bytes);
        let write: Write = effect(attempt.key().record_id());
        (attempt, completion.write(write))
    };
    let (first, completion) = with_write(most);
    assert_eq!(
        store.ledger().commit(&first, &completion).await.unwrap(),
        Committed::Done
    );
    let (first, completion) = with_write(most + 3);
    // DynamoDB refuses it by its place in the transaction, or the request as a whole.
    let answer = store.ledger().commit(&first, &completion).await;
    let refused = matches!(answer, Err(LedgerError::Refused(_)) | Ok(Committed::Refused(_)));
    assert!(refused, "{answer:?}");
    assert_eq!(store.effects(first.key().record_id()).await, 0);
}
