//! A ledger and queues that fail often, but not for good: each request is repeated within the time budget.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{
    Handler, Limits, MemoryQueues, QueueError, QueueFault, QueueMessage, Queues, Services, Verdict, process_batch,
};
use idempotency::{Answer, Change, Fault, Key, MemoryStore, Record, Status, Store, StoreError, TooLarge};
use tokio::time::Instant;

use crate::common::{
    Action, Claiming, DLQ, Effect, LABELS, MAIL, Memory, Message, Natural, OneStep, STANDARD, actions, batch_of,
    bodies, failed, processed, reason, status, ten_seconds, with_dead_letter_queue,
};

/// What fails, counted over all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    /// Every second request is throttled.
    Throttled,
    /// Every seventh is applied, but its reply is lost.
    RepliesLost,
    Both,
}

/// A ledger's store or queues that fail.
struct Flaky<T> {
    inner: T,
    failing: Failing,
    requests: AtomicUsize,
}

enum Fate {
    Answered,
    Throttled,
    ReplyLost,
}

impl<T> Flaky<T> {
    fn new(inner: T, failing: Failing) -> Self {
        Self {
            inner,
            failing,
            requests: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> Fate {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if self.failing != Failing::RepliesLost && number % 2 == 1 {
            return Fate::Throttled;
        }
        match self.failing != Failing::Throttled && number % 7 == 6 {
            true => Fate::ReplyLost,
            false => Fate::Answered,
        }
    }
}

impl Store for Flaky<MemoryStore<Effect>> {
    type Write = Effect;

    async fn change(&self, change: Change<'_, Effect>) -> Result<Answer, StoreError> {
        match self.next() {
            Fate::Throttled => Err(StoreError::Throttled("injected".into())),
            Fate::Answered => self.inner.change(change).await,
            Fate::ReplyLost => {
                let _lost = self.inner.change(change).await;
                Err(StoreError::NoAnswer("injected".into()))
            }
        }
    }

    fn check(&self, key: &Key, record: &Record, writes: &[Effect]) -> Result<(), TooLarge> {
        self.inner.check(key, record, writes)
    }
}

impl Queues for Flaky<MemoryQueues> {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let fate = self.next();
        if !matches!(fate, Fate::Throttled) {
            self.inner.send(queue, messages).await?;
        }
        match fate {
            Fate::Answered => Ok(()),
            _ => Err(QueueError {
                unsent: (0..messages.len()).collect(),
                ..QueueError::refused(queue, "injected")
            }),
        }
    }

    fn limits(&self, queue: &str) -> Limits {
        self.inner.limits(queue)
    }
}

fn keys_sent(queues: &MemoryQueues, queue: &str) -> BTreeSet<String> {
    let key = |message: QueueMessage| message.attributes[IDEMPOTENCY_KEY].string_value.clone().unwrap();
    queues.sent(queue).into_iter().map(key).collect()
}

/// Processes twenty messages that send and ten that are rejected, once; none may stay.
async fn all_are_settled_at_once<H: Handler<Write = Effect>>(handler: Arc<H>, failing: Failing, sending: Action) {
    let store = Flaky::new(MemoryStore::<Effect>::new(), failing);
    let services = Services::new(store, Flaky::new(MemoryQueues::new(), failing)).with_dead_letter_queue(DLQ);
    let ids: Vec<_> = (0..30).map(|n| format!("m-{n}")).collect();
    let action = |n: usize| if n < 20 { sending } else { Action::Permanent };
    let messages = ids.iter().enumerate().map(|(n, id)| (&**id, action(n)));
    let batch = actions(messages);
    let report = process_batch(&handler, &services, batch.messages, false, &ten_seconds()).await;

    let expected = [vec![Verdict::Done; 20], vec![Verdict::Rejected; 10]].concat();
    assert_eq!(report.verdicts, expected, "{failing:?}");
    let writes = if sending == Action::Send { 0 } else { 20 };
    assert_eq!(services.store().inner.committed().len(), writes, "{failing:?}");
    let queues = &services.queues().inner;
    assert_eq!(
        keys_sent(queues, MAIL).len(),
        20 + 1,
        "each sends one under a shared key"
    );
    assert_eq!(keys_sent(queues, LABELS).len(), 20);
    assert!(queues.sent(DLQ).len() >= 10);
}

#[tokio::test(start_paused = true)]
async fn faults_that_pass_cost_no_redelivery_and_repeat_nothing() {
    for failing in [Failing::Throttled, Failing::RepliesLost, Failing::Both] {
        let handler = Claiming::new();
        all_are_settled_at_once(Arc::clone(&handler), failing, Action::WriteAndSend).await;
        let handled = handler.effects.handled();
        assert_eq!((handled.len(), handled.iter().collect::<BTreeSet<_>>().len()), (30, 30));
        all_are_settled_at_once(OneStep::new(), failing, Action::WriteAndSend).await;
        all_are_settled_at_once(Natural::new(), failing, Action::Send).await;
    }
}

/// Faults of a ledger that pass, one after the other.
fn inject_three(services: &Memory, into: Option<Status>) {
    let faults = [
        Fault::Unreachable(into),
        Fault::ReplyLost(into),
        Fault::Unreachable(into),
    ];
    faults.into_iter().for_each(|fault| services.store().inject(fault));
}

#[tokio::test(start_paused = true)]
async fn a_completion_is_repeated_until_it_is_answered() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    inject_three(&services, Some(Status::InProgress));
    inject_three(&services, Some(Status::Completed));
    assert!(
        failed(&handler, &services, actions([("m-1", Action::WriteAndSend)]))
            .await
            .is_empty()
    );
    assert_eq!(
        (handler.effects.handled().len(), services.store().committed().len()),
        (1, 1)
    );
    assert_eq!(bodies(&services, LABELS), ["second"]);
}

#[tokio::test(start_paused = true)]
async fn a_release_is_repeated_until_it_is_answered() {
    let services = Services::in_memory();
    inject_three(&services, None);
    assert_eq!(
        failed(&Claiming::new(), &services, actions([("m-1", Action::Retry)])).await,
        ["m-1"]
    );
    assert_eq!(status(&services, "m-1"), None, "the key is free");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_repeated_until_it_is_answered() {
    let services = with_dead_letter_queue();
    inject_three(&services, Some(Status::Rejected));
    assert!(
        failed(&OneStep::new(), &services, actions([("m-1", Action::Permanent)]))
            .await
            .is_empty()
    );
    assert_eq!(reason(&services, "m-1").as_deref(), Some("not ever"));
    assert_eq!(bodies(&services, DLQ).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_fails_its_message_at_once() {
    for into in [Status::InProgress, Status::Completed] {
        let (services, started) = (Services::in_memory(), Instant::now());
        services.store().inject(Fault::Refused(Some(into)));
        assert_eq!(
            failed(&Claiming::new(), &services, actions([("m-1", Action::Done)])).await,
            ["m-1"]
        );
        assert_eq!(started.elapsed(), Duration::ZERO, "{into:?}");
    }
}

/// The handler has at least as much time left as its claim took.
#[tokio::test(start_paused = true)]
async fn a_claim_is_repeated_for_half_of_the_time_for_handlers() {
    let (handler, services, started) = (Claiming::new(), Services::in_memory(), Instant::now());
    let in_progress = Some(Status::InProgress);
    (0..1000).for_each(|_| services.store().inject(Fault::Unreachable(in_progress)));
    let result = processed(&ten_seconds(), &handler, &services, actions([("m-1", Action::Done)])).await;
    assert_eq!(result.failed, ["m-1"]);
    assert!(handler.effects.handled().is_empty());
    // Of the ten seconds, handlers have seven.
    let elapsed = started.elapsed();
    assert!(
        (Duration::from_millis(3480)..Duration::from_millis(3510)).contains(&elapsed),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn only_messages_that_were_not_sent_are_sent_again() {
    let services = Services::in_memory();
    for fault in [QueueFault::NotSent, QueueFault::EntryNotSent(1), QueueFault::NotSent] {
        services.queues().inject(fault);
    }
    let handler = Arc::new(crate::send::Sending);
    let batch = batch_of(STANDARD, [Message::new("m-1", "3")]);
    assert!(failed(&handler, &services, batch).await.is_empty());
    assert_eq!(bodies(&services, MAIL), ["0", "2", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_refuses_fails_its_message_at_once() {
    let (services, started) = (with_dead_letter_queue(), Instant::now());
    for action in [Action::Send, Action::Permanent] {
        services.queues().inject(QueueFault::Refused);
        assert_eq!(
            failed(&OneStep::new(), &services, actions([("m-1", action)])).await,
            ["m-1"]
        );
        assert_eq!(started.elapsed(), Duration::ZERO, "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sends_are_repeated_until_the_time_for_queues_ends() {
    for action in [Action::Send, Action::Permanent] {
        let (services, started) = (with_dead_letter_queue(), Instant::now());
        (0..1000).for_each(|_| services.queues().inject(QueueFault::NotSent));
        assert_eq!(
            failed(&OneStep::new(), &services, actions([("m-1", action)])).await,
            ["m-1"]
        );
        let elapsed = started.elapsed();
        assert!(
            (Duration::from_millis(8980)..=Duration::from_secs(9)).contains(&elapsed),
            "{elapsed:?}"
        );
    }
}

/// A queue's crate that names messages that do not exist proves nothing.
#[tokio::test(start_paused = true)]
async fn an_unknown_position_is_no_proof_that_all_are_sent() {
    let services = Services::in_memory();
    services.queues().inject(QueueFault::EntryNotSent(7));
    assert_eq!(
        failed(&Claiming::new(), &services, actions([("m-1", Action::Send)])).await,
        ["m-1"]
    );
}
