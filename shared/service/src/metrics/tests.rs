#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

use std::sync::Arc;

use consumer::{
    Budget, Delivery, Failure, Handler, Incoming, MessageId, Mode, RawBody, Services, Stop, Unit, process_one,
};
use idempotency::{Completion, NoWrites, Timestamp};

use super::open_metrics::is_valid;
use super::*;

struct Records;

impl Handler for Records {
    type Message = RawBody;
    type Write = NoWrites;
    const NAMESPACE: &str = "records";
    const MODE: Mode = Mode::Natural;

    async fn handle(&self, _: RawBody, delivery: &Delivery) -> Result<Completion, Failure> {
        let metrics = delivery.metrics();
        metrics.count("cards.charged", 1);
        metrics.count("cards_charged", 2);
        metrics.count("ümlaut", 1);
        metrics.count("1st", 1);
        metrics.value("seconds", 1.5, Unit::Seconds);
        metrics.value("amount/cents", -3, Unit::None);
        Ok(Completion::new())
    }
}

#[tokio::test(start_paused = true)]
async fn names_of_handlers_are_made_valid_and_unique() {
    let (all, message) = (
        Metrics::new("worker"),
        Incoming::new(MessageId::new("m-1").unwrap(), ""),
    );
    let budget = Budget::renewable(Timestamp::now(), std::time::Duration::from_secs(30), None, &Stop::new());
    let (_, summary, own) = process_one(&Arc::new(Records), &Services::in_memory(), message, false, &budget).await;
    // Another queue's name may contain anything.
    for queue in ["memory", "amqp://host/\"quoted\"\\n"] {
        all.of_queue(queue, &[]).processed(&summary, &own);
    }
    let text = all.text();
    is_valid(&text);
    for line in [
        "worker_handler_cards_charged_total{queue=\"memory\"} 3.0",
        "worker_handler_1st_total{queue=\"memory\"} 1.0",
        "worker_handler_seconds_recorded_sum{queue=\"memory\"} 1.5",
        "worker_handler_amount_cents_sum{queue=\"memory\"} -3.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn errors_of_the_ledger_are_a_counter_that_begins_at_zero() {
    let all = Metrics::new("worker");
    let queue = all.of_queue("memory", &[]);
    let is_shown = |count: u32| {
        let line = format!("worker_ledger_errors_total{{queue=\"memory\"}} {count}");
        all.text().lines().any(|found| found == line)
    };
    assert!(is_shown(0));
    let summary = Summary {
        ledger_errors: 2,
        ..Summary::default()
    };
    queue.processed(&summary, &[]);
    assert!(is_shown(2));
}
