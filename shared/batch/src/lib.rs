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
//! use batch::{Budget, Delivery, Failure, Handler, Services, SqsEvent};
//! use idempotency::{Completion, NoWrites, Timestamp};
//!
//! #[derive(serde::Deserialize)]
//! struct Greeting { name: String }
//!
//! struct Greet;
//!
//! impl Handler for Greet {
//!     type Message = Greeting;
//!     type Write = NoWrites;
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
//! let services = Services::in_memory().with_dead_letter_queue("dead");
//! let report = batch::run(&Arc::new(Greet), &services, event, &budget).await?;
//! assert!(report.response.batch_item_failures.is_empty());
//! assert_eq!(services.queues().sent("dead")[0].body, "not JSON");
//! # Ok(())
//! # }
//! ```

mod batch;
mod body;
mod budget;
pub mod dead_letter;
mod delay;
mod envelope;
mod failure;
mod handler;
mod identity;
mod lanes;
mod limits;
mod message;
mod outcome;
mod prepare;
#[cfg(test)]
#[path = "../tests/fixtures/published.rs"]
mod published;
mod queues;
mod run;
mod send;
mod services;
mod settle;
mod summary;
mod work;

pub use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

pub use budget::{Budget, CLOCK_MARGIN, DEFAULT_BUDGET};
pub use envelope::{Envelope, Origin};
pub use failure::{Chain, Failure};
pub use handler::{Handler, Mode};
pub use identity::IdempotencyKey;
pub use message::{BatchError, Delivery};
pub use queues::{Attribute, MemoryQueues, QueueError, QueueFault, QueueMessage, Queues, VisibilityChange};
pub use run::{CONCURRENT_LANES, Report, run};
pub use services::{RetryDelays, Services};
pub use summary::Summary;
