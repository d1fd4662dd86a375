//! Which store can commit which writes, decided by the compiler.

use idempotency::{
    Answer, Completion, DynamoDbStore, DynamoDbWrite, Ledger, MemoryStore, NoWrites, Refusal, Status, StoreFor,
    TooLarge, Write, Writeless,
};

use crate::store::{NOW, attempt, complete, fresh_key, lease};

/// A write of another store.
#[derive(Debug, Clone)]
struct Row;

impl Write for Row {
    type Found = ();

    fn refusal(&self, _: Option<&()>) -> Refusal {
        Refusal::AlreadyDone
    }
}

fn is_store_for<W: Write, S: StoreFor<W>>() {}

#[test]
fn a_store_commits_its_own_writes_or_none() {
    is_store_for::<DynamoDbWrite, DynamoDbStore>();
    is_store_for::<NoWrites, DynamoDbStore>();
    is_store_for::<NoWrites, MemoryStore<Row>>();
    is_store_for::<NoWrites, Writeless<DynamoDbStore>>();
}

/// Has two implementations for a store for `Row`, so that naming `compiles` is ambiguous, and one for every other type.
trait NotForRow<A> {
    fn compiles() {}
}

impl<T> NotForRow<()> for T {}
impl<T: StoreFor<Row>> NotForRow<Row> for T {}

/// That this test compiles is what it asserts.
#[test]
fn a_store_is_no_store_for_writes_of_another() {
    <DynamoDbStore as NotForRow<_>>::compiles();
    <MemoryStore<NoWrites> as NotForRow<_>>::compiles();
}

#[tokio::test]
async fn a_handler_without_writes_runs_on_any_store() {
    let ledger = Ledger::new(MemoryStore::<Row>::new().into_store());
    let key = fresh_key();
    let held = lease(&ledger, attempt(&key, NOW)).await;
    let completion = Completion::<NoWrites>::new().data(1.into());
    assert_eq!(complete(&ledger, held, completion).await, Answer::Applied);
    let record = ledger.store().inner().record(&key).unwrap();
    assert_eq!((record.status, record.data.as_deref()), (Status::Completed, Some("1")));
}

#[test]
fn a_store_without_writes_keeps_its_limits() {
    let ledger = Ledger::new(MemoryStore::<Row>::new().with_max_record_bytes(100).into_store());
    let with = |bytes: usize| Completion::<NoWrites>::new().data("x".repeat(bytes).into());
    assert!(ledger.seal(attempt(&fresh_key(), NOW), with(10)).is_ok());
    let unsealed = ledger.seal(attempt(&fresh_key(), NOW), with(101)).unwrap_err();
    assert!(
        matches!(unsealed.why, TooLarge::Record { bytes, most: 100 } if bytes > 100),
        "{unsealed}"
    );
}
