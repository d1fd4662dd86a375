//! What fails at its last receive: dead-lettered with its last reason, so that no redrive policy has to move it without one.

use std::num::NonZeroU32;
use std::sync::Arc;

use consumer::{Delivery, Failure, Handler, Mode, QueueFault, Services, process_batch};
use idempotency::{Attempt, Claim, Completion, Fault, Status};

use crate::common::{
    Action, Claiming, DLQ, Effect, FIFO, Kind, MAIL, Memory, Message, NOW, Natural, OneStep, STANDARD, Script,
    Scripted, actions, batch_of, bodies, body, failed, key, later, ledger_fails, original, queues_fail, reason,
    rejection, status, ten_seconds, with_dead_letter_queue, within,
};

/// As the template's default.
const LIMIT: u32 = 14;

fn limited() -> Memory {
    with_dead_letter_queue().with_max_receive_count(NonZeroU32::new(LIMIT).unwrap())
}

/// A message that is received for the last time.
fn last(id: &str, action: Action) -> Message {
    Message::new(id, body(action)).receives(LIMIT)
}

/// The reasons of all dead letters, each received as often as it may be.
fn reasons(services: &Memory) -> Vec<String> {
    let dead_letters = services.queues().sent(DLQ);
    let rejections = dead_letters.iter().map(rejection);
    let reason = |rejection: consumer::dead_letter::Rejection| {
        assert_eq!(rejection.receive_count, LIMIT);
        rejection.reason
    };
    rejections.map(reason).collect()
}

#[tokio::test(start_paused = true)]
async fn the_last_reason_is_in_the_dead_letter() {
    async fn is_dead_lettered<H: Handler<Write = Effect>>(handler: Arc<H>, cancelled: Option<Status>) {
        for (action, reason, left) in [
            (Action::Retry, "not today", None),
            (Action::RetryAfter(60), "not yet", None),
            (Action::Panic, "panic: at the disco", None),
            (Action::Hang, "the handler was cancelled at the deadline", cancelled),
        ] {
            let services = limited();
            let batch = batch_of(STANDARD, [last("m-1", action)]);
            assert!(failed(&handler, &services, batch).await.is_empty(), "{reason}");
            assert_eq!(reasons(&services), [reason]);
            // Released, or left to its lease: never rejected.
            assert_eq!(status(&services, "m-1"), left, "{reason}");
        }
    }
    is_dead_lettered(Claiming::new(), Some(Status::InProgress)).await;
    is_dead_lettered(OneStep::new(), None).await;
    is_dead_lettered(Natural::new(), None).await;
}

#[tokio::test(start_paused = true)]
async fn before_the_last_receive_nothing_is_dead_lettered() {
    for receives in [1, LIMIT - 1] {
        let services = limited();
        let batch = batch_of(STANDARD, [last("m-1", Action::Retry).receives(receives)]);
        assert_eq!(failed(&Claiming::new(), &services, batch).await, ["m-1"]);
        assert!(services.queues().sent(DLQ).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn without_limit_or_queue_the_message_stays() {
    let no_queue = Services::in_memory().with_max_receive_count(NonZeroU32::MIN);
    for services in [with_dead_letter_queue(), no_queue] {
        let batch = batch_of(STANDARD, [last("m-1", Action::Retry)]);
        assert_eq!(failed(&Claiming::new(), &services, batch).await, ["m-1"]);
        assert!(services.queues().sent(DLQ).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_message_is_processed_under_its_key() {
    async fn is_processed<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = limited();
        assert!(
            failed(&handler, &services, batch_of(STANDARD, [last("m-1", Action::Retry)]))
                .await
                .is_empty()
        );
        let mut dead_letter = services.queues().sent(DLQ).remove(0);
        assert_eq!(original(&dead_letter).message_id.as_deref(), Some("m-1"));
        // What made it fail is repaired.
        dead_letter.body = body(Action::Done);
        let batch = batch_of(STANDARD, [Message::redriven("m-2", dead_letter)]);
        assert!(failed(&handler, &services, batch).await.is_empty());
        assert_eq!(status(&services, "m-1"), Some(Status::Completed));
    }
    is_processed(Claiming::new()).await;
    is_processed(OneStep::new()).await;
}

/// Holds a group behind a message that is not done.
struct Holding;
impl Kind for Holding {
    const HOLD_GROUP: bool = true;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_unless_the_handler_holds_it() {
    let group = || {
        let messages = [last("a-1", Action::Retry), last("a-2", Action::Done)];
        batch_of(FIFO, messages.map(|message| message.group("a")))
    };
    let services = limited();
    assert!(failed(&Claiming::new(), &services, group()).await.is_empty());
    assert_eq!(reasons(&services), ["not today"]);
    assert_eq!(status(&services, "a-2"), Some(Status::Completed));

    let services = limited();
    let holding = Scripted::<Holding>::new();
    assert_eq!(failed(&holding, &services, group()).await, ["a-1", "a-2"]);
    assert!(services.queues().sent(DLQ).is_empty());
    // No order is kept on a standard queue.
    let batch = batch_of(STANDARD, [last("m-1", Action::Retry)]);
    assert!(failed(&holding, &services, batch).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn in_progress_and_not_started_are_never_dead_lettered() {
    let services = limited();
    let other = Attempt::new(key("m-1"), NOW, NOW.plus(std::time::Duration::from_secs(60)));
    let claim = services.ledger().claim(&other, later()).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
    let in_progress = batch_of(STANDARD, [last("m-1", Action::Done)]);
    assert_eq!(failed(&Claiming::new(), &services, in_progress).await, ["m-1"]);

    let no_time = within(std::time::Duration::ZERO);
    let not_started = batch_of(STANDARD, [last("m-2", Action::Done)]);
    let report = process_batch(&Claiming::new(), &services, not_started.messages, false, &no_time).await;
    assert!(!report.verdicts[0].is_acknowledged());
    assert_eq!(report.summary.not_started, 1);
    assert!(services.queues().sent(DLQ).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_dead_letter_is_not_sent_stays() {
    for fault in [QueueFault::Refused, QueueFault::NotSent, QueueFault::SendHangs] {
        let services = limited();
        queues_fail(&services, fault);
        let batch = batch_of(STANDARD, [last("m-1", Action::Retry)]);
        assert_eq!(failed(&Claiming::new(), &services, batch).await, ["m-1"], "{fault:?}");
        assert!(services.queues().sent(DLQ).is_empty(), "{fault:?}");
        assert_eq!(status(&services, "m-1"), None, "{fault:?}");
    }
}

/// Promise 7.
#[tokio::test(start_paused = true)]
async fn without_an_answer_of_the_ledger_the_message_stays() {
    async fn stays<H: Handler<Write = Effect>>(handler: Arc<H>, unanswered: Status, action: Action) {
        let services = limited();
        ledger_fails(&services, Fault::Unreachable(Some(unanswered)));
        let batch = batch_of(STANDARD, [last("m-1", action)]);
        assert_eq!(failed(&handler, &services, batch).await, ["m-1"]);
        assert!(services.queues().sent(DLQ).is_empty());
    }
    stays(Claiming::new(), Status::InProgress, Action::Done).await;
    stays(Claiming::new(), Status::Completed, Action::Done).await;
    stays(Claiming::new(), Status::Rejected, Action::Permanent).await;
    stays(OneStep::new(), Status::Completed, Action::Done).await;
    stays(OneStep::new(), Status::Rejected, Action::Permanent).await;
    // The handler alone failed; the ledger is asked before the message is dead-lettered.
    stays(OneStep::new(), Status::InProgress, Action::Retry).await;
}

/// In one step the handler runs at every delivery, and may fail although the work is done.
#[tokio::test(start_paused = true)]
async fn work_that_is_done_is_not_dead_lettered() {
    let (handler, services) = (OneStep::new(), limited());
    let first = actions([("m-1", Action::Write)]);
    assert!(failed(&handler, &services, first).await.is_empty());
    let batch = batch_of(STANDARD, [last("m-1", Action::Retry)]);
    assert!(failed(&handler, &services, batch).await.is_empty());
    assert!(services.queues().sent(DLQ).is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn work_whose_messages_are_not_sent_is_dead_lettered() {
    let (handler, services) = (Claiming::new(), limited());
    services.queues().inject(QueueFault::Refused);
    let batch = batch_of(STANDARD, [last("m-1", Action::WriteAndSend)]);
    assert!(failed(&handler, &services, batch).await.is_empty());
    let reasons = reasons(&services);
    assert!(
        reasons[0].starts_with("recorded as done, but not all its messages are sent: "),
        "{reasons:?}"
    );
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));
    // The redrive sends them, and does not repeat the work.
    let sent = bodies(&services, MAIL).len();
    let dead_letter = services.queues().sent(DLQ).remove(0);
    let batch = batch_of(STANDARD, [Message::redriven("m-2", dead_letter)]);
    assert!(failed(&handler, &services, batch).await.is_empty());
    assert_eq!(bodies(&services, MAIL).len(), sent + 2);
    assert_eq!(handler.effects.handled(), ["m-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_the_last_receive_counts_as_failed() {
    let services = limited();
    let batch = batch_of(STANDARD, [last("m-1", Action::Retry)]);
    let report = process_batch(&Claiming::new(), &services, batch.messages, false, &ten_seconds()).await;
    assert_eq!((report.summary.failed, report.summary.rejected), (1, 0));
}

/// Fails with a code: for good, unless it is received for the last time.
struct Declining<const IN_LEDGER: bool>;

impl<const IN_LEDGER: bool> Handler for Declining<IN_LEDGER> {
    type Message = Script;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";
    const MODE: Mode = if IN_LEDGER {
        Mode::ClaimThenComplete
    } else {
        Mode::Natural
    };

    async fn handle(&self, _: Script, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        let failure = match delivery.receive_count() {
            LIMIT => Failure::retry("card of o-1 declined"),
            _ => Failure::permanent("card of o-1 declined"),
        };
        Err(failure.code("card-declined"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_the_code_of_its_failure() {
    async fn has_code<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = limited();
        let messages = [last("m-1", Action::Done), Message::new("m-2", body(Action::Done))];
        assert!(
            failed(&handler, &services, batch_of(STANDARD, messages))
                .await
                .is_empty()
        );
        for dead_letter in services.queues().sent(DLQ) {
            let rejection = rejection(&dead_letter);
            assert_eq!(rejection.code.as_deref(), Some("card-declined"));
            assert_eq!(rejection.reason, "card of o-1 declined");
        }
        assert_eq!(services.queues().sent(DLQ).len(), 2);
    }
    has_code(Arc::new(Declining::<true>)).await;
    has_code(Arc::new(Declining::<false>)).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_sent_by_a_redelivery_has_the_code() {
    let (handler, services) = (Arc::new(Declining::<true>), limited());
    queues_fail(&services, QueueFault::NotSent);
    let declined = || actions([("m-1", Action::Done)]);
    assert_eq!(failed(&handler, &services, declined()).await, ["m-1"]);
    assert_eq!(
        reason(&services, "m-1").as_deref(),
        Some("[card-declined] card of o-1 declined")
    );
    assert!(failed(&handler, &services, declined()).await.is_empty());
    let rejection = rejection(&services.queues().sent(DLQ)[0]);
    assert_eq!(
        (rejection.reason.as_str(), rejection.code.as_deref()),
        ("card of o-1 declined", Some("card-declined"))
    );
}
