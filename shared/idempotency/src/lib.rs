#![doc = include_str!("../README.md")]

mod attempt;
mod backoff;
mod completion;
mod decide;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod existing;
mod fingerprint;
mod hold;
mod key;
mod ledger;
mod memory;
mod outgoing;
mod record;
mod sealed;
mod store;
mod timestamp;
mod write;
mod writeless;

pub use attempt::{Attempt, DEFAULT_RETENTION, OwnerToken};
pub use backoff::Backoff;
pub use completion::Completion;
pub use decide::{Decision, decide};
/// Properties that fuzz targets check.
#[cfg(all(any(test, fuzzing), feature = "dynamodb"))]
#[doc(hidden)]
pub use dynamodb::fuzz;
#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDbStore, DynamoDbWrite, Item};
pub use existing::Existing;
pub use fingerprint::fingerprint;
pub use hold::{Hold, Lease};
pub use key::{InvalidKey, Key};
pub use ledger::{Claim, Ledger, Settled, Unsealed};
pub use memory::{Fault, MemoryStore};
pub use outgoing::OutgoingMessage;
pub use record::{Record, Status};
pub use sealed::Sealed;
pub use store::{Answer, Change, Condition, Store, StoreError, TooLarge};
pub use timestamp::Timestamp;
pub use write::{NoWrites, Refusal, Write};
pub use writeless::{StoreFor, Writeless};
