//! The batch as a whole.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use idempotency::Ledger;
use tracing::Instrument;

use crate::lanes::{self, Lanes};
use crate::message::{self, BatchError, Message};
use crate::outcome::Outcome;
use crate::{Budget, Handler, work};

/// How many lanes run side by side: as many as a batch has by default, which is also as many connections to the table.
pub const CONCURRENT_LANES: usize = 10;

/// Works on a batch, and says which of its messages have to come again.
///
/// Returns before the budget's end with what is proven done by then.
///
/// # Errors
///
/// [`BatchError`], before anything was worked on: the whole batch has to come again.
pub async fn run<H: Handler, L: Ledger>(
    handler: &Arc<H>,
    ledger: &L,
    event: SqsEvent,
    budget: &Budget,
) -> Result<SqsBatchResponse, BatchError> {
    let fifo = message::is_fifo(&event);
    let messages = message::read(H::NAMESPACE, event)?;
    let Lanes { lanes, followers } = lanes::assign(&messages, fifo);
    let outcomes = Outcomes::of(messages.len());

    let all = stream::iter(lanes).for_each_concurrent(CONCURRENT_LANES, |lane| {
        run_lane(handler, ledger, lane, &messages, &outcomes, budget)
    });
    // Everything inside keeps to the budget by itself; this is for the ledger that does not.
    if budget.for_ledger(all).await.is_none() {
        tracing::error!("some messages were not finished when the time was up");
    }
    let mut outcomes = outcomes.into_inner();
    for (follower, leader) in followers {
        outcomes[follower] = outcomes[leader].clone();
    }
    Ok(response(&messages, &outcomes))
}

/// Works on the messages of a lane in order; after one that is not acknowledged, the rest goes back untouched.
async fn run_lane<H: Handler, L: Ledger>(
    handler: &Arc<H>,
    ledger: &L,
    lane: Vec<usize>,
    messages: &[Message],
    outcomes: &Outcomes,
    budget: &Budget,
) {
    let mut held = false;
    for position in lane {
        let message = &messages[position];
        // Of the highest level, so that its ID is on every line, whatever level is logged.
        let span = tracing::error_span!("message", messageId = message.delivery.message_id());
        let worked = async {
            let outcome = match held || budget.is_spent() {
                true => Outcome::NotStarted,
                // Of the author's code, only the handler runs in a task; decoding and reading refusals can panic too.
                false => AssertUnwindSafe(work::work(handler, ledger, message, budget))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|panic| work::panicked(&*panic)),
            };
            outcome.log();
            outcome
        };
        let outcome = worked.instrument(span).await;
        held |= !outcome.is_acknowledged();
        outcomes.set(position, outcome);
    }
}

/// What is known of each message so far: nothing, which is a failure.
struct Outcomes(Mutex<Vec<Outcome>>);

impl Outcomes {
    fn of(messages: usize) -> Self {
        Self(Mutex::new(vec![Outcome::NotStarted; messages]))
    }

    fn set(&self, position: usize, outcome: Outcome) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[position] = outcome;
    }

    fn into_inner(self) -> Vec<Outcome> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every message that is not proven done, once, in the event's order.
fn response(messages: &[Message], outcomes: &[Outcome]) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut listed = HashSet::new();
    for (message, outcome) in messages.iter().zip(outcomes) {
        let id = message.delivery.message_id();
        if !outcome.is_acknowledged() && listed.insert(id) {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id.to_owned();
            response.batch_item_failures.push(failure);
        }
    }
    response
}
