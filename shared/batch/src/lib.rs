//! One batch of messages in, the failed ones out.
//!
//! [`run`] takes the event that Lambda hands a function and gives back the partial batch response: every message counts
//! as failed until its work is proven done. Bodies are decoded one by one, the work of each message is run
//! [once](idempotency), messages run side by side (a FIFO queue's groups in order), a panic fails one message, and the
//! response is ready before the invocation's deadline.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use batch::{Budget, Delivery, Failure, Handler, SqsEvent};
//! use idempotency::{Completion, MemoryLedger, Timestamp};
//!
//! #[derive(serde::Deserialize)]
//! struct Greeting { name: String }
//!
//! struct Greet;
//!
//! impl Handler for Greet {
//!     type Message = Greeting;
//!     const NAMESPACE: &str = "greet";
//!
//!     async fn handle(&self, greeting: Greeting, _: &Delivery) -> Result<Completion, Failure> {
//!         if greeting.name.is_empty() {
//!             return Err(Failure::permanent("nobody to greet"));
//!         }
//!         Ok(Completion::new())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let event: SqsEvent = serde_json::from_str(r#"{"Records": [
//!     {"messageId": "m-1", "body": "{\"name\": \"Ada\"}", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:greetings"},
//!     {"messageId": "m-2", "body": "not JSON", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:greetings"}
//! ]}"#)?;
//! let now = Timestamp::now();
//! let budget = Budget::new(now, now.plus(Duration::from_secs(30)));
//!
//! let response = batch::run(&Arc::new(Greet), &MemoryLedger::new(), event, &budget).await?;
//! let failed: Vec<_> = response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
//! assert_eq!(failed, ["m-2"]);
//! # Ok(())
//! # }
//! ```

mod body;
mod budget;
pub mod dead_letter;
mod failure;
mod handler;
mod lanes;
mod message;
mod outcome;
mod run;
mod work;

pub use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

pub use budget::{Budget, CLOCK_MARGIN, DEFAULT_BUDGET};
pub use failure::{Chain, Failure};
pub use handler::{Handler, Mode};
pub use message::{BatchError, Delivery};
pub use run::{CONCURRENT_LANES, run};
