//! Run the work of one key once, although its message comes more than once.
//!
//! A [`Ledger`] keeps one record per [`Key`]. Whoever means to work on a key makes an [`Attempt`], which carries a fresh
//! owner token, and either
//!
//! - [claims](Ledger::claim) the key, works, and [completes](Ledger::complete) the [`Lease`] it was granted, or
//! - [commits](Ledger::commit) in one step, when the work has no other effect than its [`Write`]s.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use idempotency::{Attempt, Claim, Completed, Completion, Key, Ledger, MemoryLedger, Timestamp};
//!
//! let ledger = MemoryLedger::new();
//! let now = Timestamp::now();
//! let attempt = Attempt::new(Key::new("place-order", "message-1")?, now, now.plus(Duration::from_secs(30)));
//!
//! if let Claim::Granted(lease) = ledger.claim(&attempt).await? {
//!     // ... the work ...
//!     assert!(matches!(ledger.complete(lease, &Completion::new()).await?, Completed::Done));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it can't do: an effect outside the completion's writes (an HTTP call, an e-mail) whose process dies between the
//! effect and the completion will be tried again. [`Key::token`] is the same at every attempt, for the receiver to
//! recognise.

mod attempt;
mod completion;
mod decision;
mod dynamodb;
mod fingerprint;
mod key;
mod ledger;
mod memory;
mod outgoing;
mod record;
mod timestamp;

pub use attempt::{Attempt, DEFAULT_RETENTION, Lease, OwnerToken};
pub use completion::{Completion, Item, Refusal, TooLarge, Write};
pub use decision::{Change, Condition, Decision, decide};
pub use dynamodb::DynamoDbLedger;
pub use fingerprint::fingerprint;
pub use key::{InvalidKey, Key};
pub use ledger::{Answer, Claim, Committed, Completed, Ledger, LedgerError, Settled, Standing};
pub use memory::{Fault, MemoryLedger};
pub use outgoing::OutgoingMessage;
pub use record::{Record, Status};
pub use timestamp::Timestamp;
