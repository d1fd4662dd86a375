//! Faults that other implementations of idempotent consumers are known for. `tests/README.md` lists the tests of all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consumer::{CLOCK_MARGIN, Delivery, Failure, Handler, IdempotencyKey, Received, Services, Verdict, process_batch};
use idempotency::{Completion, Key, NoWrites, Status};
use serde_json::{Value, json};

use crate::common::{
    Action, Claiming, DLQ, Memory, Message, NOW, STANDARD, actions, batch_of, failed, failed_within, key, original,
    status, ten_seconds, with_dead_letter_queue, within,
};

#[tokio::test(start_paused = true)]
async fn a_claim_shortly_before_the_deadline_has_a_lease() {
    for millis in [10, 100, 1_000] {
        let (services, total) = (Services::in_memory(), Duration::from_millis(millis));
        let batch = actions([("m-1", Action::Hang)]);
        assert_eq!(
            failed_within(&within(total), &Claiming::new(), &services, batch).await,
            ["m-1"]
        );
        let record = services.store().record(&key("m-1")).unwrap();
        assert_eq!(record.status, Status::InProgress);
        assert_eq!(record.lease_end, Some(NOW.plus(total + CLOCK_MARGIN)));
    }
}

/// States a key that is missing from some messages, and another one at each call.
#[derive(Default)]
struct Changing(AtomicUsize);

impl Handler for Changing {
    type Message = Value;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "scripted";

    fn key(&self, message: &Value, _: &Received) -> IdempotencyKey {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        match message["order"].as_str() {
            Some(order) => IdempotencyKey::business(format!("{order}, {count}")),
            None => IdempotencyKey::business(""),
        }
    }

    async fn handle(&self, mut message: Value, _: &Delivery) -> Result<Completion, Failure> {
        // A key that is computed again from the message would be another one.
        message["order"] = json!("changed");
        Ok(Completion::new())
    }
}

#[tokio::test(start_paused = true)]
async fn work_is_completed_under_the_key_it_was_claimed_under() {
    let services = Services::in_memory();
    let (handler, batch) = (Arc::<Changing>::default(), [Message::new("m-1", r#"{"order": "o-1"}"#)]);
    let batch = batch_of(STANDARD, batch).messages;
    let report = process_batch(&handler, &services, batch, false, &ten_seconds()).await;
    assert_eq!(report.verdicts, [Verdict::Done]);
    let record = |text: &str| services.store().record(&Key::new("scripted", text).unwrap());
    assert_eq!(record("o-1, 0").unwrap().status, Status::Completed);
    assert_eq!(handler.0.load(Ordering::SeqCst), 1, "the key is decided once");
    assert_eq!((record("o-1, 1"), record("changed, 1")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn two_messages_without_their_key_share_no_record() {
    let services = Services::in_memory().with_dead_letter_queue(DLQ);
    let batch = ["m-1", "m-2"].map(|id| Message::new(id, "{}"));
    let batch = batch_of(STANDARD, batch).messages;
    let report = process_batch(&Arc::<Changing>::default(), &services, batch, false, &ten_seconds()).await;
    // Neither is taken for a duplicate of the other.
    assert_eq!(report.verdicts, [Verdict::Rejected, Verdict::Rejected]);
    let dead_letters = services.queues().sent(DLQ);
    let ids: Vec<_> = dead_letters
        .iter()
        .map(|dead_letter| original(dead_letter).message_id.unwrap())
        .collect();
    assert_eq!(ids, ["m-1", "m-2"]);
    for id in ["m-1", "m-2"] {
        assert_eq!(services.store().record(&key(id)).unwrap().status, Status::Rejected);
    }
}

#[test]
fn concurrent_batches_each_report_their_own_failures() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    std::thread::scope(|threads| {
        for number in 0..8 {
            let (handler, services) = (&handler, &services);
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                runtime.unwrap().block_on(every_third_fails(number, handler, services));
            });
        }
    });
}

async fn every_third_fails(number: usize, handler: &Arc<Claiming>, services: &Memory) {
    let ids: Vec<_> = (0..10).map(|position| format!("m-{number}-{position}")).collect();
    let action = |(position, id)| match position % 3 {
        0 => (id, Action::Retry),
        _ => (id, Action::Done),
    };
    let batch = actions(ids.iter().map(String::as_str).enumerate().map(action));
    let expected: Vec<_> = ids.iter().step_by(3).cloned().collect();
    assert_eq!(failed(handler, services, batch).await, expected);
    assert_eq!(status(services, &ids[1]), Some(Status::Completed));
}
