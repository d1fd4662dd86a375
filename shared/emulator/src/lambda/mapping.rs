//! The event source mapping: polls a queue, invokes a function with batches, deletes what succeeded.
//!
//! As [Using Lambda with Amazon SQS](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html) and its sub-pages describe it. It is
//! a client of the SQS API like any other, so the queue may be this stack's or anyone's. Left out are filters, provisioned
//! pollers, and the slow growth and decline of concurrency: a mapping here uses all it may at once.

mod batch;
mod event;
mod queue;
mod verdict;

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::Message;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{batch::Worker, queue::Queue};
use super::service::Lambda;

/// Batches in flight where a mapping states no maximum. Lambda begins with five and goes up to more than a thousand, which
/// are processes here, on one machine.
const DEFAULT_CONCURRENCY: u32 = 5;

/// The longest that SQS lets a receive wait for messages.
const LONG_POLL: Duration = Duration::from_secs(20);

/// What one queue's messages are for.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The name of the function.
    pub function: String,
    /// The queue's URL.
    pub queue_url: String,
    /// The queue's ARN, as events name it; one that ends in `.fifo` is a FIFO queue.
    pub queue_arn: String,
    /// At most so many messages an invocation; AWS's default is 10.
    pub batch_size: u32,
    /// How long to wait for a batch to fill, from its first message; zero not to wait.
    pub window: Duration,
    /// At most so many invocations at a time; 5 if none is set.
    pub maximum_concurrency: Option<u32>,
    /// Whether the function's response lists the failed messages (`FunctionResponseTypes: [ReportBatchItemFailures]`).
    pub report_batch_item_failures: bool,
}

/// A mapping that AWS would not accept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the mapping of {queue_arn} to {function} is invalid: {rule}")]
pub struct InvalidMapping {
    /// The name of the function.
    pub function: String,
    /// The queue's ARN.
    pub queue_arn: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl Mapping {
    /// Checks the limits that
    /// [CreateEventSourceMapping](https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html) states.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), InvalidMapping> {
        let largest_batch = if self.is_fifo() { 10 } else { 10_000 };
        let rules = [
            (
                (1..=largest_batch).contains(&self.batch_size),
                format!("BatchSize must be from 1 to {largest_batch}, it is {}", self.batch_size),
            ),
            (
                self.window <= Duration::from_secs(300),
                "MaximumBatchingWindowInSeconds must be at most 300".to_owned(),
            ),
            (
                self.batch_size <= 10 || self.window >= Duration::from_secs(1),
                "a BatchSize greater than 10 needs a MaximumBatchingWindowInSeconds of at least 1".to_owned(),
            ),
            (
                !self.is_fifo() || self.window.is_zero(),
                "MaximumBatchingWindowInSeconds is not supported for a FIFO queue".to_owned(),
            ),
            (
                self.maximum_concurrency
                    .is_none_or(|maximum| (2..=1000).contains(&maximum)),
                "MaximumConcurrency must be from 2 to 1000".to_owned(),
            ),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            None => Ok(()),
            Some((_, rule)) => Err(InvalidMapping {
                function: self.function.clone(),
                queue_arn: self.queue_arn.clone(),
                rule,
            }),
        }
    }

    fn is_fifo(&self) -> bool {
        self.queue_arn.ends_with(".fifo")
    }
}

/// Runs a mapping until `shutdown`: then it receives no more, lets the invocations under way end, deletes what they have
/// done, and returns. An error of the queue is reported and retried; it never ends a mapping.
///
/// `sqs` must allow a request to take the 20 seconds of a long poll.
///
/// # Errors
///
/// The mapping is one that AWS would not accept. Nothing has been received then.
pub async fn run_mapping(
    lambda: Arc<Lambda>,
    sqs: aws_sdk_sqs::Client,
    mapping: Mapping,
    shutdown: CancellationToken,
) -> Result<(), InvalidMapping> {
    mapping.check()?;
    let slots = Arc::new(Semaphore::new(
        mapping.maximum_concurrency.unwrap_or(DEFAULT_CONCURRENCY) as usize,
    ));
    let mut queue = Queue::new(sqs, &mapping.queue_url, lambda.observer().clone());
    let worker = Arc::new(Worker {
        lambda,
        queue: queue.clone(),
        mapping,
    });
    let running = TaskTracker::new();
    loop {
        // The slot comes first: a message is not taken from the queue before there is someone to work on it.
        let slot = tokio::select! {
            Ok(slot) = Arc::clone(&slots).acquire_owned() => slot,
            () = shutdown.cancelled() => break,
        };
        let messages = collect(&mut queue, &worker.mapping, &shutdown).await;
        if messages.is_empty() {
            break; // Only a shutdown ends the wait for the first message.
        }
        let worker = Arc::clone(&worker);
        running.spawn(async move {
            worker.work(messages).await;
            drop(slot);
        });
    }
    running.close();
    running.wait().await;
    Ok(())
}

/// Receives a batch: as many messages as fit, or what has come when the window ends. Empty only at shutdown.
async fn collect(queue: &mut Queue, mapping: &Mapping, shutdown: &CancellationToken) -> Vec<Message> {
    let size = mapping.batch_size as usize;
    let mut messages = queue.receive_some(size, LONG_POLL, shutdown).await;
    let ends = Instant::now() + mapping.window;
    while !mapping.window.is_zero()
        && !messages.is_empty()
        && messages.len() < size
        && payload_estimate(&messages) < event::EVENT_BYTES
    {
        let left = ends.saturating_duration_since(Instant::now());
        // A receive waits for whole seconds; the last fraction is slept through, with one look at its end.
        let last = left < Duration::from_secs(1);
        if last && run_out(ends, shutdown).await.is_break() {
            break;
        }
        let wait = if last { Duration::ZERO } else { left.min(LONG_POLL) };
        match queue.receive(size - messages.len(), wait, shutdown).await {
            Some(more) => messages.extend(more),
            None => break,
        }
        if last {
            break;
        }
    }
    messages
}

async fn run_out(ends: Instant, shutdown: &CancellationToken) -> std::ops::ControlFlow<()> {
    tokio::select! {
        () = sleep_until(ends) => std::ops::ControlFlow::Continue(()),
        () = shutdown.cancelled() => std::ops::ControlFlow::Break(()),
    }
}

fn payload_estimate(messages: &[Message]) -> usize {
    messages
        .iter()
        .filter_map(|message| message.body.as_ref())
        .map(String::len)
        .sum()
}
