//! From verdicts to the partial batch response, and to visibility timeouts of messages that stay in the queue.

use std::collections::HashSet;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use consumer::{Chain, QueueError, Verdict};
use futures_util::stream::{self, StreamExt};
use idempotency::Timestamp;
use sqs::{MAX_ENTRIES, VisibilityChange, visibility_timeout};
use tokio::time::{Instant, timeout_at};

/// How many requests that change visibility timeouts are concurrent.
const CONCURRENT_REQUESTS: usize = 10;

/// The IDs of messages that stay in the queue, each once, in the event's order. Lambda deletes the others.
pub(crate) fn response<'a>(verdicts: impl IntoIterator<Item = (&'a str, Verdict)>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut listed = HashSet::new();
    for (id, verdict) in verdicts {
        if !verdict.is_acknowledged() && listed.insert(id) {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id.to_owned();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

/// The visibility change of each received message that is to be redelivered at a stated time.
pub(crate) fn delays(
    now: Timestamp,
    receipt_handles: impl IntoIterator<Item = String>,
    verdicts: &[Verdict],
) -> Vec<VisibilityChange> {
    let delay = |(receipt_handle, verdict): (String, &Verdict)| match verdict {
        Verdict::Retry { at: Some(at) } => Some(VisibilityChange {
            receipt_handle,
            timeout: visibility_timeout(now, *at),
        }),
        _ => None,
    };
    receipt_handles.into_iter().zip(verdicts).filter_map(delay).collect()
}

/// Changes visibility timeouts. Where that fails, the message is redelivered after the queue's own visibility timeout.
pub(crate) async fn change_all<F>(
    queue_arn: &str,
    changes: Vec<VisibilityChange>,
    end: Instant,
    change_visibility: impl Fn(Vec<VisibilityChange>) -> F,
) where
    F: Future<Output = Result<(), QueueError>>,
{
    if changes.is_empty() {
        return;
    }
    let requests = changes.chunks(MAX_ENTRIES).map(<[_]>::to_vec);
    let answers = stream::iter(requests)
        .map(change_visibility)
        .buffer_unordered(CONCURRENT_REQUESTS)
        .filter_map(|answer| async { answer.err() })
        .collect::<Vec<_>>();
    match timeout_at(end, answers).await {
        Err(_) => {
            tracing::warn!("retry delays were not confirmed before the deadline by queue {queue_arn}: {FALLBACK}")
        }
        // One line for all requests that failed: they have one cause.
        Ok(errors) => {
            if let Some(error) = errors.first() {
                let requests = errors.len();
                tracing::warn!(requests, "retry delays were not set: {FALLBACK}: {}", Chain(error));
            }
        }
    }
}

const FALLBACK: &str = "messages are redelivered after the queue's own visibility timeout";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn retry(seconds: u64) -> Verdict {
        Verdict::Retry {
            at: Some(NOW.plus(Duration::from_secs(seconds))),
        }
    }

    fn listed(verdicts: &[(&str, Verdict)]) -> Vec<String> {
        let failures = response(verdicts.iter().copied()).batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    #[test]
    fn only_messages_that_stay_are_listed_in_order() {
        let unknown = Verdict::Retry { at: None };
        let verdicts = [
            ("m-1", retry(1)),
            ("m-2", Verdict::Done),
            ("m-3", unknown),
            ("m-4", Verdict::Rejected),
        ];
        assert_eq!(
            listed(&verdicts),
            ["m-1", "m-3"],
            "broken promise 5: Lambda deletes what is not listed"
        );
        assert!(listed(&[]).is_empty());
    }

    #[test]
    fn a_message_delivered_twice_is_listed_once() {
        assert_eq!(
            listed(&[("m-1", retry(1)), ("m-2", Verdict::Done), ("m-1", retry(1))]),
            ["m-1"]
        );
    }

    #[test]
    fn each_receipt_of_a_message_that_stays_is_delayed() {
        let receipts = ["first", "done", "second", "unknown"].map(str::to_owned);
        let unknown = Verdict::Retry { at: None };
        let delays = delays(NOW, receipts, &[retry(60), Verdict::Done, retry(60), unknown]);
        let change = |receipt: &str| VisibilityChange {
            receipt_handle: receipt.to_owned(),
            timeout: Duration::from_secs(60),
        };
        assert_eq!(delays, [change("first"), change("second")]);
    }

    fn changes(count: u64) -> Vec<VisibilityChange> {
        let receipts = (0..count).map(|n| n.to_string());
        let verdicts: Vec<_> = (0..count).map(retry).collect();
        delays(NOW, receipts, &verdicts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_fails_or_hangs_affects_no_other() {
        for hangs in [false, true] {
            let (requests, changed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
            let started = Instant::now();
            let change_visibility = async |changes: Vec<VisibilityChange>| {
                assert!(changes.len() <= MAX_ENTRIES);
                if requests.fetch_add(1, Ordering::SeqCst) == 1 {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    return Err(QueueError::refused("q", "injected"));
                }
                changed.lock().unwrap().extend(changes);
                Ok(())
            };
            change_all("q", changes(25), started + Duration::from_secs(1), change_visibility).await;
            assert_eq!(changed.lock().unwrap().len(), 15);
            assert!(started.elapsed() <= Duration::from_secs(1), "{:?}", started.elapsed());
        }
    }

    /// Collects the messages of log lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let line = format!("{} {event:?}", event.metadata().level());
            self.0.lock().unwrap().push(line);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_fail_share_one_log_line() {
        let lines = Lines::default();
        // While there is only one subscriber, another thread without any that logs the same line first turns it off for all.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let _log = tracing_subscriber::registry().with(lines.clone()).set_default();
        let refuse = async |_: Vec<VisibilityChange>| Err(QueueError::refused("orders", "injected"));
        change_all("q", changes(25), Instant::now() + Duration::from_secs(1), refuse).await;
        let [line] = <[String; 1]>::try_from(lines.0.lock().unwrap().clone()).unwrap();
        for part in [
            "WARN",
            "requests",
            "3",
            "retry delays were not set",
            "queue orders: injected",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_messages_that_stay_nothing_is_requested() {
        let change_visibility = async |_: Vec<VisibilityChange>| unreachable!("no message stays");
        change_all("q", Vec::new(), Instant::now(), change_visibility).await;
    }
}
