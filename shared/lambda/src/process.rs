//! The records of one invocation, from the event to the response.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsBatchResponse;
use consumer::{Handler, QueueError, Queues, Services, Summary, process_batch};
use idempotency::Store;
use sqs::VisibilityChange;

use crate::answer;
use crate::event::Records;
use crate::invocation::Invocation;

/// Processes the records, sets the delays of those that stay in the queue, and builds the response.
pub(crate) async fn process<H: Handler, S: Store<Write = H::Write>, Q: Queues, F>(
    handler: &Arc<H>,
    services: &Services<S, Q>,
    records: Records,
    invocation: &Invocation,
    change_visibility: impl Fn(Vec<VisibilityChange>) -> F,
) -> (SqsBatchResponse, Summary)
where
    F: Future<Output = Result<(), QueueError>>,
{
    let ids = answer::ids(&records.messages);
    let (ordered, budget) = (records.ordered(), &invocation.budget);
    let report = process_batch(handler, services, records.messages, ordered, budget).await;
    // The clock of the verdicts, which never runs backwards.
    let delays = answer::delays(budget.now(), records.receipt_handles, &report.verdicts);
    answer::change_all(&records.queue_arn, delays, invocation.delays_end, change_visibility).await;
    let verdicts = ids.iter().map(String::as_str).zip(report.verdicts);
    (answer::response(verdicts), report.summary)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use consumer::{Delivery, Failure, Incoming, MessageId};
    use idempotency::{Completion, NoWrites, Timestamp};
    use scripted::Hanging;
    use tokio::time::Instant;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// A ledger and queues that never answer.
    fn hanging() -> Hanging<NoWrites> {
        Hanging::default()
    }

    struct Waiting;

    impl Handler for Waiting {
        type Message = ();
        type Write = NoWrites;
        const NAMESPACE: &'static str = "waiting";
        const MODE: consumer::Mode = consumer::Mode::OneStep;

        async fn handle(&self, _: (), _: &Delivery) -> Result<Completion, Failure> {
            Ok(Completion::new())
        }
    }

    fn records(count: usize) -> Records {
        let message = |n: usize| Incoming::new(MessageId::new(n.to_string()).unwrap(), "null");
        Records {
            queue_arn: "arn:aws:sqs:eu-west-1:1:orders".to_owned(),
            messages: (0..count).map(message).collect(),
            receipt_handles: (0..count).map(|n| Some(n.to_string())).collect(),
        }
    }

    /// How long Lambda reserves: for the delays, and for the response.
    fn reserved(total: Duration) -> (Duration, Duration) {
        let share = total / 20;
        (share.min(Duration::from_secs(1)), share.min(Duration::from_millis(500)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_ledger_leaves_time_for_delays_and_response() {
        for seconds in [1, 3, 10, 30, 900] {
            let total = Duration::from_secs(seconds);
            let (services, started) = (Services::new(hanging(), hanging()), Instant::now());
            let invocation = Invocation::new(NOW, NOW.plus(total));
            let requested = Mutex::new(Vec::new());
            let change_visibility = async |changes: Vec<VisibilityChange>| {
                requested.lock().unwrap().push((started.elapsed(), changes.len()));
                Ok(())
            };
            let handler = Arc::new(Waiting);
            let processed = process(&handler, &services, records(3), &invocation, change_visibility);
            let (response, _) = processed.await;
            assert_eq!(response.batch_item_failures.len(), 3);
            let (for_delays, for_response) = reserved(total);
            let [(at, 3)] = requested.into_inner().unwrap()[..] else {
                panic!("the delays were not requested once for all");
            };
            assert!(at <= total - for_delays - for_response, "{at:?} of {total:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_delays_leave_time_for_the_response() {
        for seconds in [1, 3, 10, 30, 900] {
            let total = Duration::from_secs(seconds);
            let (services, started) = (Services::new(hanging(), hanging()), Instant::now());
            let invocation = Invocation::new(NOW, NOW.plus(total));
            let hang = async |_: Vec<VisibilityChange>| std::future::pending().await;
            let (response, summary) = process(&Arc::new(Waiting), &services, records(25), &invocation, hang).await;
            assert_eq!(response.batch_item_failures.len(), 25);
            assert_eq!(summary.done, 0);
            let (_, for_response) = reserved(total);
            assert!(
                started.elapsed() <= total - for_response,
                "{:?} of {total:?}",
                started.elapsed()
            );
        }
    }
}
