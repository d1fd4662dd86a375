//! The response comes before the deadline, whatever does not answer. Time is paused: what waits in vain waits for nothing.

use std::sync::Arc;
use std::time::Duration;

use consumer::{
    Delivery, Failure, Handler, Limits, Mode, QueueError, QueueFault, QueueMessage, Queues, Services, Verdict,
    process_batch,
};
use idempotency::{Answer, Change, Completion, Fault, Key, MemoryStore, Record, Status, Store, StoreError, TooLarge};
use tokio::time::Instant;

use crate::common::{
    Batch, Claiming, DEAD, Deed, Effect, FIFO, Natural, OneStep, Queue, STANDARD, Scripted, body, deeds, ended, event,
    failed, key, ten_seconds, within,
};

/// A ledger and queues that never answer.
struct Hanging;

impl Store for Hanging {
    type Write = Effect;

    async fn change(&self, _: Change<'_, Effect>) -> Result<Answer, StoreError> {
        std::future::pending().await
    }

    fn check(&self, _: &Key, _: &Record, _: &[Effect]) -> Result<(), TooLarge> {
        Ok(())
    }
}

impl Queues for Hanging {
    async fn send(&self, _: &str, _: Vec<QueueMessage>) -> Result<(), QueueError> {
        std::future::pending().await
    }

    fn limits(&self, _: &str) -> Limits {
        Limits::default()
    }
}

/// A ledger that never has time.
struct Conflicting;

impl Store for Conflicting {
    type Write = Effect;

    fn check(&self, _: &Key, _: &Record, _: &[Effect]) -> Result<(), TooLarge> {
        Ok(())
    }

    async fn change(&self, change: Change<'_, Effect>) -> Result<Answer, StoreError> {
        match change.record.is_some_and(|record| record.status == Status::InProgress) {
            true => Ok(Answer::Applied),
            false => Ok(Answer::Conflict),
        }
    }
}

/// From a fifth of a second, with which nobody should run a function, to the longest that an invocation can last.
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

/// More messages of each kind than run side by side, in groups.
fn everything(queue: Queue) -> (Batch, usize) {
    let kinds = [
        Some(Deed::Succeed),
        Some(Deed::Hang),
        Some(Deed::Retry),
        Some(Deed::Permanent),
        Some(Deed::Send),
        Some(Deed::WriteAndSend),
        None,
    ];
    let messages: Vec<_> = (0..15)
        .flat_map(|n| kinds.into_iter().enumerate().map(move |(kind, deed)| (n, kind, deed)))
        .map(|(n, kind, deed)| {
            let body = deed.map_or_else(|| "{".to_owned(), body);
            (format!("m-{n}-{kind}"), format!("g-{n}"), body)
        })
        .collect();
    let count = messages.len();
    let messages = messages.iter().map(|(id, group, body)| (&**id, &**group, body.clone()));
    (event(queue, messages), count)
}

/// How many messages come back; fails if that takes the whole of the time, or is never known.
async fn answered<const MODE: char, S: Store<Write = Effect>, Q: Queues>(
    services: &Services<S, Q>,
    event: Batch,
    total: Duration,
) -> usize {
    let started = Instant::now();
    let handler = Scripted::<MODE>::new();
    let report = process_batch(&handler, services, event.messages, event.ordered, &within(total)).await;
    let elapsed = started.elapsed();
    assert!(elapsed < total, "mode {MODE}: {elapsed:?} of {total:?}");
    let stays = |verdict: &&Verdict| !verdict.is_acknowledged();
    report.verdicts.iter().filter(stays).count()
}

#[tokio::test(start_paused = true)]
async fn the_response_comes_in_time_though_nothing_answers() {
    for total in TOTALS {
        for queue in [STANDARD, FIFO] {
            let services = Services::new(Hanging, Hanging).with_dead_letter_queue(DEAD);
            let (event, count) = everything(queue);
            assert_eq!(answered::<'c', _, _>(&services, event.clone(), total).await, count);
            assert_eq!(answered::<'o', _, _>(&services, event.clone(), total).await, count);
            // Natural mode asks no ledger.
            assert!(answered::<'n', _, _>(&services, event, total).await > count / 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_comes_in_time_though_the_queues_do_not_answer() {
    for total in TOTALS {
        for queue in [STANDARD, FIFO] {
            let services = || Services::new(MemoryStore::new(), Hanging).with_dead_letter_queue(DEAD);
            let (event, _) = everything(queue);
            answered::<'c', _, _>(&services(), event.clone(), total).await;
            answered::<'o', _, _>(&services(), event.clone(), total).await;
            answered::<'n', _, _>(&services(), event, total).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_comes_in_time_though_every_transaction_meets_others() {
    for total in TOTALS {
        for queue in [STANDARD, FIFO] {
            let services = Services::new(Conflicting, Hanging).with_dead_letter_queue(DEAD);
            let (event, count) = everything(queue);
            assert_eq!(answered::<'c', _, _>(&services, event.clone(), total).await, count);
            assert_eq!(answered::<'o', _, _>(&services, event, total).await, count);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_that_hang_leave_time_to_record_and_to_send() {
    for total in TOTALS {
        let services = Services::in_memory().with_dead_letter_queue(DEAD);
        let started = Instant::now();
        let event = deeds([
            ("m-1", Deed::Hang),
            ("m-2", Deed::WriteAndSend),
            ("m-3", Deed::Permanent),
        ]);
        let ended = ended(&within(total), &Claiming::new(), &services, event).await;
        assert_eq!(ended.failed, ["m-1"]);
        assert!(started.elapsed() < total);
        assert_eq!(ended.hidden.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_sent_too_late_to_know_is_reported() {
    async fn is_reported<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        services.queues().inject(QueueFault::SendHangs);
        let event = deeds([("m-1", Deed::Send), ("m-2", Deed::Succeed)]);
        assert_eq!(failed(&handler, &services, event).await, ["m-1"]);
    }
    is_reported(Claiming::new()).await;
    is_reported(OneStep::new()).await;
    is_reported(Natural::new()).await;
}

/// Each of its messages may take two seconds.
struct Impatient;

impl Handler for Impatient {
    type Message = Deed;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(2));

    async fn handle(&self, deed: Deed, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        crate::common::perform(deed).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_longer_than_its_own_time_is_cancelled_alone() {
    let (services, started) = (Services::in_memory(), Instant::now());
    let event = deeds([("m-1", Deed::Hang), ("m-2", Deed::TakeASecond)]);
    let ended = ended(&ten_seconds(), &Arc::new(Impatient), &services, event).await;
    assert_eq!(ended.failed, ["m-1"]);
    assert_eq!(started.elapsed().as_secs(), 2);
    // Its effect may have happened: nobody else begins while this invocation could last.
    let record = services.store().record(&key("m-1")).unwrap();
    assert_eq!(record.status, Status::InProgress);
    let seconds = ended.hidden["m-1"];
    assert!((9..=11).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_each_message_of_a_group_is_its_own() {
    let (services, started) = (Services::in_memory(), Instant::now());
    let messages = ["a-1", "a-2", "a-3"].map(|id| (id, "a", body(Deed::TakeASecond)));
    assert!(
        failed(&Arc::new(Impatient), &services, event(FIFO, messages))
            .await
            .is_empty()
    );
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_has_no_more_time_than_its_batch_whatever_its_own() {
    struct Patient;
    impl Handler for Patient {
        type Message = Deed;
        type Write = Effect;
        const NAMESPACE: &'static str = "scripted";
        const MODE: Mode = Mode::OneStep;
        const TIMEOUT: Option<Duration> = Some(Duration::MAX);
        async fn handle(&self, deed: Deed, _: &Delivery) -> Result<Completion<Effect>, Failure> {
            crate::common::perform(deed).await
        }
    }
    let services = Services::in_memory();
    let event = deeds([("m-1", Deed::Hang)]);
    let started = Instant::now();
    let ended = ended(&ten_seconds(), &Arc::new(Patient), &services, event).await;
    assert_eq!(ended.failed, ["m-1"]);
    // It was cancelled in time for its delay to be set.
    assert!(started.elapsed() < Duration::from_secs(9));
    assert_eq!(ended.hidden.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_hangs_at_the_end_of_the_time_leaves_some_to_set_delays() {
    let services = Services::in_memory();
    services.store().inject(Fault::Hangs(Some(Status::Completed)));
    let (batch, started) = (deeds([("m-1", Deed::Succeed)]), Instant::now());
    let ended = ended(&ten_seconds(), &Claiming::new(), &services, batch).await;
    assert_eq!(ended.failed, ["m-1"]);
    assert!(started.elapsed() <= Duration::from_secs(9));
    assert_eq!(ended.hidden.len(), 1);
}
