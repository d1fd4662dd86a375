//! What a completion commits beside its record, and what a refused write means.

use std::convert::Infallible;
use std::fmt::Debug;

/// A write to the author's own data, applied together with the completed record, at most once per key.
///
/// It belongs to one store: no store can commit another's writes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a write that a store can commit",
    note = "state `type Write = NoWrites;` for a handler without writes, or the write type of its store, such as `DynamoDbWrite`"
)]
pub trait Write: Debug + Send + Sync + 'static {
    /// What a store returns when the write's condition fails: the item or row that failed it.
    type Found: Debug + Send + Sync + 'static;

    /// What it means for the message that this write's own condition failed, given what failed it (`None`: nothing is
    /// there).
    fn refusal(&self, found: Option<&Self::Found>) -> Refusal;
}

/// The writes of a handler that has none: it runs on every store.
///
/// There is no value of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWrites {}

impl Write for NoWrites {
    type Found = Infallible;

    fn refusal(&self, _: Option<&Infallible>) -> Refusal {
        match *self {}
    }
}

/// What a write's own failed condition means for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The effect exists already: the work is done, and none of the completion's writes are needed.
    AlreadyDone,
    /// It may succeed later, for this reason.
    Retry(String),
    /// It can never succeed, for this reason.
    Permanent(String),
}

impl Refusal {
    /// What several refused writes mean together: permanent outweighs retry, which outweighs already done.
    pub fn combine(refusals: impl IntoIterator<Item = Self>) -> Option<Self> {
        refusals.into_iter().max_by_key(|refusal| match refusal {
            Self::AlreadyDone => 0,
            Self::Retry(_) => 1,
            Self::Permanent(_) => 2,
        })
    }
}
