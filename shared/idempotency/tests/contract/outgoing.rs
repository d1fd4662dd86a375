//! Messages that are recorded with a completion: every delivery after it learns of them, until the record expires.

use conformance::store::{messages, sending, sent_ones_are_found};
use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{
    Answer, Attempt, Change, Completion, DynamoDbStore, DynamoDbWrite, Key, Ledger, OutgoingMessage, Record, Settled,
    Store, StoreError, TooLarge,
};

use crate::dynamodb::{DynamoDb, lacks};
use crate::store::{AFTER_LEASE, NOW, UnderTest, attempt, complete, effect, fresh_key, lease, soon};

#[tokio::test]
async fn messages_of_a_completion_survive_a_lost_reply() {
    let store = DynamoDb::local().await;
    for (operation, with_write) in [("PutItem", false), ("TransactWriteItems", true)] {
        let lose_a_reply = || {
            store.emulation().inject(Fault {
                operation: operation.to_owned(),
                containing: Some("COMPLETED".to_owned()),
                times: 1,
                kind: FaultKind::LoseReply,
            });
        };
        let completion = || sending(&store, with_write.then_some(operation));
        let (claimed, committed) = (attempt(&fresh_key(), NOW), attempt(&fresh_key(), NOW));
        let held = lease(store.ledger(), claimed.clone()).await;
        lose_a_reply();
        assert_eq!(complete(store.ledger(), held, completion()).await, Answer::Applied);
        lose_a_reply();
        assert_eq!(
            complete(store.ledger(), committed.clone(), completion()).await,
            Answer::Applied
        );
        sent_ones_are_found(&store, &claimed).await;
        sent_ones_are_found(&store, &committed).await;
    }
    assert_eq!(store.effects("TransactWriteItems").await, 2);
}

/// A completion for an attempt, that takes a byte more for each that it is given.
type Growing = fn(usize) -> (Attempt, Completion<DynamoDbWrite>);

/// Results and messages, in short and long keys, with and without a fingerprint, at times with few and many digits.
const GROWING: [Growing; 5] = [
    |bytes| {
        (
            attempt(&fresh_key(), NOW),
            Completion::new().data("x".repeat(bytes).into()),
        )
    },
    |bytes| {
        let data = format!("{}{}", "ü".repeat(150_000), "x".repeat(bytes));
        (
            attempt(&fresh_key(), AFTER_LEASE).with_fingerprint("f".repeat(64)),
            Completion::new().data(data.into()),
        )
    },
    |bytes| {
        let message = OutgoingMessage::new("https://queue/1", "\"".repeat(100_000)).with_group("g");
        let longer = OutgoingMessage::new("https://queue/1", "x".repeat(bytes)).with_attribute("ü", "\u{1f4e6}");
        (attempt(&fresh_key(), NOW), Completion::new().send(message).send(longer))
    },
    |bytes| {
        let key = idempotency::Key::new("contract", &format!("{}{bytes}", "k".repeat(5000))).unwrap();
        let completion = messages().into_iter().fold(Completion::new(), Completion::send);
        (attempt(&key, NOW), completion.data("x".repeat(bytes).into()))
    },
    |bytes| {
        let early = idempotency::Timestamp::from_millis(1_000);
        let attempt = attempt(&fresh_key(), early).with_retention(std::time::Duration::from_secs(998));
        (attempt, Completion::new().data("x".repeat(bytes).into()))
    },
];

/// The table, without the check of sizes before a request.
#[derive(Clone)]
struct Unchecked(DynamoDbStore);

impl Store for Unchecked {
    type Write = DynamoDbWrite;

    async fn change(&self, change: Change<'_, DynamoDbWrite>) -> Result<Answer, StoreError> {
        self.0.change(change).await
    }

    fn check(&self, _: &Key, _: &Record, _: &[DynamoDbWrite]) -> Result<(), TooLarge> {
        Ok(())
    }
}

async fn is_refused(store: &DynamoDb, attempt: Attempt, completion: Completion<DynamoDbWrite>) {
    let ledger = Ledger::new(Unchecked(store.store().clone()));
    let sealed = ledger.seal(attempt, completion).unwrap();
    // DynamoDB refuses the request as a whole, or its put by the place in the transaction.
    let answer = ledger.complete(sealed, soon()).await;
    let refused = matches!(answer, Err(StoreError::Refused(_)) | Ok(Settled::Refused(..)));
    assert!(refused, "{answer:?}");
}

/// How many bytes fit, as the store judges it before a request.
fn most(store: &DynamoDb, growing: Growing) -> usize {
    let fits = |bytes: &usize| {
        let (attempt, completion) = growing(*bytes);
        store.ledger().seal(attempt, completion).is_ok()
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
async fn a_record_fits_up_to_the_limit_and_not_beyond() {
    let store = DynamoDb::start().await;
    for growing in GROWING {
        let most = most(&store, growing);
        let (first, completion) = growing(most);
        assert_eq!(complete(store.ledger(), first, completion).await, Answer::Applied);

        let (first, completion) = growing(most + 3);
        is_refused(&store, first, completion).await;
    }
}

#[tokio::test]
async fn a_record_fits_beside_writes_up_to_the_same_limit() {
    if lacks(&["transactions"]) {
        return;
    }
    let store = DynamoDb::start().await;
    let growing = GROWING[0];
    let most = most(&store, growing);
    let with_write = |bytes| {
        let (attempt, completion) = growing(bytes);
        let write = effect(attempt.key().record_id());
        (attempt, completion.write(write))
    };
    let (first, completion) = with_write(most);
    assert_eq!(complete(store.ledger(), first, completion).await, Answer::Applied);
    let (first, completion) = with_write(most + 3);
    let id = first.key().record_id().to_owned();
    is_refused(&store, first, completion).await;
    assert_eq!(store.effects(&id).await, 0);
}
