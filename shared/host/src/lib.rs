//! Where a handler runs: as an AWS Lambda function triggered by SQS.
//!
//! [`run`] is a function's `main`. It reads the environment, builds the clients and opens their first connection while
//! Lambda still counts the time as init, and then answers batch after batch:
//!
//! ```no_run
//! # use batch::{Delivery, Failure, Handler};
//! # use idempotency::{Completion, NoWrites};
//! # struct PlaceOrder;
//! # impl PlaceOrder {
//! #     fn from_env() -> Result<Self, host::SettingError> { Ok(Self) }
//! # }
//! # impl Handler for PlaceOrder {
//! #     type Message = String;
//! #     type Write = NoWrites;
//! #     const NAMESPACE: &str = "place-order";
//! #     async fn handle(&self, _: String, _: &Delivery) -> Result<Completion, Failure> { Ok(Completion::new()) }
//! # }
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> std::process::ExitCode {
//!     host::run(PlaceOrder::from_env).await
//! }
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `IDEMPOTENCY_TABLE` | name of the ledger's table; required |
//! | `DEAD_LETTER_QUEUE_URL` | where messages go that can never be worked; without it the redrive policy moves them |
//! | `RETRY_DELAY_SECONDS` | bound of the random delay after a first failure; by default the function's timeout |
//! | `RETRY_DELAY_LONGEST_SECONDS` | where the bound, which doubles with each receive, stops growing; by default 900 |
//! | `REQUEST_TIMEOUT_SECONDS` | how long a request to DynamoDB or SQS may go without an answer before it is sent again, 1 to 900; by default 1. It is sent three times at most |
//! | `AWS_LAMBDA_LOG_LEVEL` | `TRACE`, `DEBUG`, `INFO` (default), `WARN`, `ERROR` or `FATAL`, as Lambda sets it |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | as Lambda sets them |
//! | `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS` | another place than AWS |

mod aws;
mod event;
mod https;
mod lambda;
mod logging;
mod metrics;
mod setting;
mod sqs;

pub use aws::{desk_sdk_config, sdk_config, sdk_config_with};
pub use https::{HttpsClient, https_client};
pub use lambda::run;
pub use setting::{SettingError, optional_setting, setting};
