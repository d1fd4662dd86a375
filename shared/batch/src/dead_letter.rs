//! The message attributes that a function gives a message it sends to a dead-letter queue.
//!
//! All are of type `String` but [`RECEIVE_COUNT`]. A message that SQS moved there by a redrive policy has none of them: it
//! keeps its message ID instead.

/// What makes it the same work whatever its message ID is: the key within the namespace of [`FAILED_FUNCTION`].
pub const IDEMPOTENCY_KEY: &str = "IdempotencyKey";

/// Why its work can't be done.
pub const FAILURE_REASON: &str = "FailureReason";

/// The namespace of the handler that says so.
pub const FAILED_FUNCTION: &str = "FailedFunction";

/// How often it had been received by then, a `Number`.
pub const RECEIVE_COUNT: &str = "ReceiveCount";

/// The message ID it had in the queue it came from: what is sent gets a new one.
pub const ORIGINAL_MESSAGE_ID: &str = "OriginalMessageId";
