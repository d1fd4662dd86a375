//! Any store, for a handler without writes; and how a host fits its store to its handler.

use crate::{Answer, Change, Key, NoWrites, Record, Store, StoreError, TooLarge, Write};

/// Any store as a store without writes.
#[derive(Debug, Clone)]
pub struct Writeless<S> {
    store: S,
}

impl<S: Store> Writeless<S> {
    /// This store, without writes.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// The store itself.
    pub fn inner(&self) -> &S {
        &self.store
    }
}

impl<S: Store> Store for Writeless<S> {
    type Write = NoWrites;

    async fn change(&self, change: Change<'_, NoWrites>) -> Result<Answer, StoreError> {
        let Change {
            key, condition, record, ..
        } = change;
        let change = Change {
            key,
            condition,
            record,
            writes: &[],
        };
        self.store.change(change).await
    }

    fn check(&self, key: &Key, record: &Record, _: &[NoWrites]) -> Result<(), TooLarge> {
        self.store.check(key, record, &[])
    }
}

/// A store that a host can use for a handler whose writes are of type `W`: any store if there are none, otherwise only
/// the store that these writes belong to.
///
/// A host states the bound `StoreFor<H::Write>`, so that a handler whose writes belong to another store does not
/// compile: no store can commit another's writes.
///
/// ```
/// use idempotency::{Ledger, MemoryStore, NoWrites, Refusal, Store, StoreFor, Write};
///
/// fn ledger_for<W: Write, S: StoreFor<W>>(store: S) -> Ledger<S::Store> {
///     Ledger::new(store.into_store())
/// }
///
/// #[derive(Debug, Clone)]
/// struct Row;
///
/// impl Write for Row {
///     type Found = Row;
///     fn refusal(&self, _: Option<&Row>) -> Refusal {
///         Refusal::AlreadyDone
///     }
/// }
///
/// ledger_for::<NoWrites, _>(MemoryStore::<Row>::new());
/// ```
///
/// The same with writes of another store:
///
/// ```compile_fail,E0277
/// # use idempotency::{Ledger, MemoryStore, NoWrites, Refusal, Store, StoreFor, Write};
/// # fn ledger_for<W: Write, S: StoreFor<W>>(store: S) -> Ledger<S::Store> {
/// #     Ledger::new(store.into_store())
/// # }
/// # #[derive(Debug, Clone)]
/// # struct Row;
/// # impl Write for Row {
/// #     type Found = Row;
/// #     fn refusal(&self, _: Option<&Row>) -> Refusal {
/// #         Refusal::AlreadyDone
/// #     }
/// # }
/// ledger_for::<Row, _>(MemoryStore::<NoWrites>::new());
/// ```
#[diagnostic::on_unimplemented(
    message = "the store `{Self}` can't commit writes of type `{W}`",
    label = "the handler's `type Write` belongs to another store",
    note = "a handler without writes states `type Write = NoWrites;` and runs on every store",
    note = "a handler with writes runs on the store that these writes belong to, such as `DynamoDbWrite` on `DynamoDbStore`"
)]
pub trait StoreFor<W: Write> {
    /// The store as the handler uses it.
    type Store: Store<Write = W>;

    /// Fits the store to the handler.
    fn into_store(self) -> Self::Store;
}

impl<S: Store> StoreFor<NoWrites> for S {
    type Store = Writeless<S>;

    fn into_store(self) -> Writeless<S> {
        Writeless::new(self)
    }
}
