//! Which store can commit which writes, decided by the compiler.

use idempotency::{DynamoDbStore, DynamoDbWrite, MemoryStore, NoWrites, Refusal, StoreFor, Write, Writeless};

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
