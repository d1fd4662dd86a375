//! Events, for people who watch and for tests.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

/// Receives the events. A closed receiver is no error.
pub type Observer = UnboundedSender<Event>;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A process was started for a function (a cold start).
    ProcessStarted {
        /// The function's name.
        function: String,
        /// The process, as the Runtime API's path names it.
        process: String,
        /// The operating system's process ID.
        pid: u32,
    },
    /// A process is gone, and all it wrote has been reported.
    ProcessEnded {
        /// The function's name.
        function: String,
        /// The process, as the Runtime API's path names it.
        process: String,
        /// How, as Lambda words it, such as `exit status 1` or `signal: killed`.
        how: String,
    },
    /// A process was given an invocation.
    InvocationStarted {
        /// The function's name.
        function: String,
        /// The process, as the Runtime API's path names it.
        process: String,
        /// The invocation's request ID.
        request_id: String,
    },
    /// A process was killed in the middle of an invocation.
    InvocationKilled {
        /// The function's name.
        function: String,
        /// The process, as the Runtime API's path names it.
        process: String,
        /// The invocation's request ID.
        request_id: String,
        /// Why: the timeout, or [`Lambda::kill`](super::Lambda::kill).
        reason: String,
    },
    /// A line on a function's standard output or standard error.
    Log {
        /// The function's name.
        function: String,
        /// The process, as the Runtime API's path names it.
        process: String,
        /// The line, without its end.
        line: String,
    },
    /// A batch was processed, and what succeeded has been deleted from its queue.
    BatchFinished {
        /// The function's name.
        function: String,
        /// The queue's ARN.
        queue: String,
        /// The IDs of all messages of the batch, in order.
        messages: Vec<String>,
        /// The IDs of those that stay in the queue, in the batch's order.
        failed: Vec<String>,
        /// Why the batch failed as a whole, if it did.
        whole_batch: Option<String>,
        /// From the invocation's request to its answer, a cold start included.
        duration: Duration,
    },
    /// A process that [`Lambda::start_each`](super::Lambda::start_each) started did not come to request an invocation.
    InitFailed {
        /// The function's name.
        function: String,
        /// Why, in one line.
        reason: String,
    },
    /// SQS moved a message that was received too often.
    DeadLettered {
        /// The name of the queue it was in.
        queue: String,
        /// The name of the queue it is in now.
        dead_letter_queue: String,
        /// The message's ID, the same in both.
        message: String,
        /// How often it was received.
        receives: u32,
    },
    /// A consumer deleted messages of a queue that [reports](crate::sqs::Sqs::report_deletes) it.
    Deleted {
        /// The name of the queue.
        queue: String,
        /// The messages' IDs.
        messages: Vec<String>,
    },
    /// A worker, the long-lived process that a function runs as instead, was started or has ended.
    Worker {
        /// The function's name.
        function: String,
        /// What happened, in one line.
        what: String,
    },
    /// Something fails, and is retried where that makes sense.
    Trouble {
        /// What, in one line.
        what: String,
    },
}
