//! The verdicts are returned before the deadline, even if ledger and queues hang. Time is paused.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Handler, QueueFault, Queues, Services, Verdict, process_batch};
use idempotency::{Answer, Change, Fault, Key, MemoryStore, Record, Status, Store, StoreError, TooLarge};
use scripted::Hanging;
use tokio::time::Instant;

use crate::common::{
    Action, Batch, Claiming, DLQ, Effect, FIFO, Kind, Natural, OneStep, Queue, STANDARD, Scripted, actions, batch,
    body, failed, kind, processed, ten_seconds, within,
};

/// A ledger and queues that never answer.
fn hanging() -> Hanging<Effect> {
    Hanging::default()
}

/// A ledger whose completions conflict with other transactions, always.
struct Conflicting;

impl Store for Conflicting {
    type Write = Effect;

    fn check(&self, _: &Key, _: &Record, _: &[Effect]) -> Result<(), TooLarge> {
        Ok(())
    }

    async fn change(&self, change: Change<'_, Effect>) -> Result<Answer, StoreError> {
        match change.record.is_some_and(|record| record.status == Status::InProgress) {
            true => Ok(Answer::Applied),
            false => Err(StoreError::Conflict {
                id: change.key.record_id().to_owned(),
            }),
        }
    }
}

/// From a fifth of a second, shorter than any useful function timeout, to Lambda's longest.
const TOTALS: [Duration; 9] = [
    Duration::from_millis(200),
    Duration::from_millis(333),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(15 * 60),
];

/// More messages of each kind than are processed concurrently, in groups.
fn everything(queue: Queue) -> (Batch, usize) {
    let kinds = [
        Some(Action::Done),
        Some(Action::Hang),
        Some(Action::Retry),
        Some(Action::Permanent),
        Some(Action::Send),
        Some(Action::WriteAndSend),
        None,
    ];
    let messages: Vec<_> = (0..15)
        .flat_map(|n| {
            kinds
                .into_iter()
                .enumerate()
                .map(move |(kind, action)| (n, kind, action))
        })
        .map(|(n, kind, action)| {
            let body = action.map_or_else(|| "{".to_owned(), body);
            (format!("m-{n}-{kind}"), format!("g-{n}"), body)
        })
        .collect();
    let count = messages.len();
    let messages = messages.iter().map(|(id, group, body)| (&**id, &**group, body.clone()));
    (batch(queue, messages), count)
}

/// How many messages stay in the queue; fails if the verdicts take the whole time.
async fn remaining<K: Kind, S: Store<Write = Effect>, Q: Queues>(
    services: &Services<S, Q>,
    batch: Batch,
    total: Duration,
) -> usize {
    let started = Instant::now();
    let handler = Scripted::<K>::new();
    let report = process_batch(&handler, services, batch.messages, batch.ordered, &within(total)).await;
    let elapsed = started.elapsed();
    assert!(elapsed < total, "{:?}: {elapsed:?} of {total:?}", K::MODE);
    let stays = |verdict: &&Verdict| !verdict.is_acknowledged();
    report.verdicts.iter().filter(stays).count()
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_in_time_though_ledger_and_queues_hang() {
    for total in TOTALS {
        for queue in [STANDARD, FIFO] {
            let services = Services::new(hanging(), hanging()).with_dead_letter_queue(DLQ);
            let (batch, count) = everything(queue);
            assert_eq!(
                remaining::<kind::Claiming, _, _>(&services, batch.clone(), total).await,
                count
            );
            assert_eq!(
                remaining::<kind::OneStep, _, _>(&services, batch.clone(), total).await,
                count
            );
            // Natural mode needs no ledger.
            assert!(remaining::<kind::Natural, _, _>(&services, batch, total).await > count / 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_in_time_though_queues_hang() {
    for total in TOTALS {
        for queue in [STANDARD, FIFO] {
            let services = || Services::new(MemoryStore::new(), hanging()).with_dead_letter_queue(DLQ);
            let (batch, _) = everything(queue);
            remaining::<kind::Claiming, _, _>(&services(), batch.clone(), total).await;
            remaining::<kind::OneStep, _, _>(&services(), batch.clone(), total).await;
            remaining::<kind::Natural, _, _>(&services(), batch, total).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_in_time_though_every_transaction_conflicts() {
    for total in TOTALS {
        for queue in [STANDARD, FIFO] {
            let services = Services::new(Conflicting, hanging()).with_dead_letter_queue(DLQ);
            let (batch, count) = everything(queue);
            assert_eq!(
                remaining::<kind::Claiming, _, _>(&services, batch.clone(), total).await,
                count
            );
            assert_eq!(remaining::<kind::OneStep, _, _>(&services, batch, total).await, count);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_that_hang_leave_time_for_ledger_and_queues() {
    for total in TOTALS {
        let services = Services::in_memory().with_dead_letter_queue(DLQ);
        let started = Instant::now();
        let batch = actions([
            ("m-1", Action::Hang),
            ("m-2", Action::WriteAndSend),
            ("m-3", Action::Permanent),
        ]);
        let processed = processed(&within(total), &Claiming::new(), &services, batch).await;
        assert_eq!(processed.failed, ["m-1"]);
        assert!(started.elapsed() < total);
        assert_eq!(processed.hidden.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_outgoing_messages_hang_stays() {
    async fn stays<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        services.queues().inject(QueueFault::SendHangs);
        let batch = actions([("m-1", Action::Send), ("m-2", Action::Done)]);
        assert_eq!(failed(&handler, &services, batch).await, ["m-1"]);
    }
    stays(Claiming::new()).await;
    stays(OneStep::new()).await;
    stays(Natural::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_hangs_leaves_time_for_the_delays() {
    let services = Services::in_memory();
    services.store().inject(Fault::Hangs(Some(Status::Completed)));
    let (batch, started) = (actions([("m-1", Action::Done)]), Instant::now());
    let processed = processed(&ten_seconds(), &Claiming::new(), &services, batch).await;
    assert_eq!(processed.failed, ["m-1"]);
    assert!(started.elapsed() <= Duration::from_secs(9));
    assert_eq!(processed.hidden.len(), 1);
}
