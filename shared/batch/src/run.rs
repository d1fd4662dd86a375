//! The batch as a whole.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use idempotency::{Store, Timestamp};
use tracing::Instrument;

use crate::batch::Batch;
use crate::delay::visible_at;
use crate::lanes::{self, Lanes};
use crate::message::{self, BatchError, Message};
use crate::outcome::Outcome;
use crate::prepare::{Prepared, panicked, prepare};
use crate::summary::{Summary, Tally};
use crate::{Budget, Handler, Queues, Services};

/// How many lanes run side by side: as many as a batch has by default, which is also as many connections to the table.
pub const CONCURRENT_LANES: usize = 10;

/// What became of a batch.
#[derive(Debug)]
pub struct Report {
    /// What Lambda is to be told: the messages that have to come again.
    pub response: SqsBatchResponse,
    /// The same in numbers.
    pub summary: Summary,
}

/// Works on a batch, and says which of its messages have to come again.
///
/// Returns before the budget's end with what is proven done by then.
///
/// # Errors
///
/// [`BatchError`], before anything was worked on: the whole batch has to come again.
pub async fn run<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
    handler: &Arc<H>,
    services: &Services<S, Q>,
    event: SqsEvent,
    budget: &Budget,
) -> Result<Report, BatchError> {
    let queue_arn = message::queue_arn(&event).unwrap_or_default();
    let mut messages = message::read(H::NAMESPACE, event)?;
    let prepared = messages.iter_mut().map(|message| Some(prepare(&**handler, message)));
    let prepared: Vec<_> = prepared.collect();
    let batch = Batch {
        handler,
        services,
        budget,
        fifo: message::is_fifo(&queue_arn),
        tally: Tally::default(),
    };
    let ends = batch.run(&messages, prepared).await;
    let going_back = messages.iter().zip(&ends);
    let going_back = going_back.filter_map(|(message, end)| Some((message, end.visible_at?)));
    batch.hide(&queue_arn, going_back).await;
    Ok(Report {
        response: response(&messages, &ends),
        summary: batch.tally.add_to(summary(&messages, &ends, budget.now())),
    })
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// The end of each message, in the event's order.
    async fn run(&self, messages: &[Message], mut prepared: Vec<Option<Prepared<H::Message>>>) -> Vec<End> {
        let Lanes { lanes, followers } = lanes::assign(messages, self.fifo);
        let ends = Ends::of(messages.len());
        let lanes: Vec<Vec<_>> = (lanes.into_iter())
            .map(|lane| {
                let taken = lane.into_iter().map(|position| (position, prepared[position].take()));
                taken
                    .filter_map(|(position, prepared)| Some((position, prepared?)))
                    .collect()
            })
            .collect();
        let all =
            stream::iter(lanes).for_each_concurrent(CONCURRENT_LANES, |lane| self.run_lane(lane, messages, &ends));
        // Everything inside keeps to the budget by itself; this is for the ledger that does not.
        if self.budget.for_ledger(all).await.is_none() {
            tracing::error!("some messages were not finished when the time was up");
        }
        let mut ends = ends.into_inner();
        for (follower, leader) in followers {
            ends[follower] = ends[leader].clone();
        }
        ends
    }

    /// Works on the messages of a lane in order; after one that is not acknowledged, the rest goes back with it, untouched.
    async fn run_lane(&self, lane: Vec<(usize, Prepared<H::Message>)>, messages: &[Message], ends: &Ends) {
        let mut back_at = None;
        for (position, prepared) in lane {
            let message = &messages[position];
            let outcome = match back_at.is_some() || self.budget.is_spent() {
                true => Outcome::NotStarted,
                false => self.run_one(message, prepared).await,
            };
            let delays = &self.services.retry_delays;
            // A FIFO queue holds back a group while any of its messages is hidden: all have the delay of the first.
            back_at = back_at.or_else(|| visible_at(&outcome, message.delivery.receive_count(), delays, self.budget));
            ends.set(
                position,
                End {
                    outcome,
                    visible_at: back_at,
                },
            );
        }
    }

    async fn run_one(&self, message: &Message, prepared: Prepared<H::Message>) -> Outcome {
        let worked = async {
            // Of the author's code, only the handler runs in a task; reading refusals can panic too.
            let outcome = AssertUnwindSafe(self.work(message, prepared)).catch_unwind().await;
            // Whether a request was under way, nobody knows.
            let outcome = outcome.unwrap_or_else(|panic| Outcome::from(&panicked(&*panic)));
            outcome.log();
            outcome
        };
        worked.instrument(message.span.clone()).await
    }
}

/// What is known of a message: its outcome, and when it should come again if it goes back.
#[derive(Debug, Clone)]
struct End {
    outcome: Outcome,
    visible_at: Option<Timestamp>,
}

/// What is known of each message so far: nothing, which is a failure.
struct Ends(Mutex<Vec<End>>);

impl Ends {
    fn of(messages: usize) -> Self {
        let unknown = End {
            outcome: Outcome::NotStarted,
            visible_at: None,
        };
        Self(Mutex::new(vec![unknown; messages]))
    }

    fn set(&self, position: usize, end: End) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[position] = end;
    }

    fn into_inner(self) -> Vec<End> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every message that is not proven done, once, in the event's order.
fn response(messages: &[Message], ends: &[End]) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut listed = HashSet::new();
    for (message, end) in messages.iter().zip(ends) {
        let id = message.delivery.message_id();
        if !end.outcome.is_acknowledged() && listed.insert(id) {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id.to_owned();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

fn summary(messages: &[Message], ends: &[End], now: Timestamp) -> Summary {
    let mut summary = Summary::default();
    ends.iter().for_each(|end| summary.count(&end.outcome));
    let sent = messages.iter().filter_map(|message| message.delivery.sent_at());
    summary.oldest_message_age = sent.map(|sent| sent.until(now)).max();
    summary
}
