//! Outgoing messages: recorded with the completion, then sent; then the incoming message is acknowledged.

use std::sync::{Arc, Mutex};

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{
    Delivery, Failure, Handler, Limits, MemoryQueues, QueueError, QueueFault, QueueMessage, Queues, Services, Verdict,
    process_batch,
};
use idempotency::{Attempt, Claim, Completion, Fault, MemoryStore, OutgoingMessage, Status};

use crate::common::{
    Action, Claiming, DLQ, Effect, FIFO, LABELS, MAIL, Memory, Message, NOW, OneStep, STANDARD, Script, actions, batch,
    batch_of, bodies, body, failed, key, later, ledger_fails, perform, queues_fail, reason, rejection, status,
    ten_seconds, with_dead_letter_queue,
};

fn keys(services: &Memory, queue: &str) -> Vec<String> {
    let key = |message: QueueMessage| message.attributes[IDEMPOTENCY_KEY].string_value.clone().unwrap();
    services.queues().sent(queue).into_iter().map(key).collect()
}

/// Asserts that each of the action's three messages was sent this many times.
fn assert_sent(services: &Memory, times: usize) {
    assert_eq!(bodies(services, MAIL), ["first", "third"].repeat(times));
    assert_eq!(bodies(services, LABELS), ["second"].repeat(times));
    assert_eq!(keys(services, MAIL), ["scripted#m-1/0", "the third"].repeat(times));
    assert_eq!(keys(services, LABELS), ["scripted#m-1/1"].repeat(times));
}

#[tokio::test(start_paused = true)]
async fn outgoing_messages_are_recorded_and_sent_in_order() {
    async fn are_sent<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        assert!(
            failed(&handler, &services, actions([("m-1", Action::WriteAndSend)]))
                .await
                .is_empty()
        );
        assert_sent(&services, 1);
        assert_eq!(services.store().committed().len(), 1);
        let recorded = services.store().record(&key("m-1")).unwrap().outgoing;
        let recorded: Vec<_> = recorded.iter().map(OutgoingMessage::body).collect();
        assert_eq!(recorded, ["first", "second", "third"]);
    }
    are_sent(Claiming::new()).await;
    are_sent(OneStep::new()).await;
}

#[tokio::test(start_paused = true)]
async fn an_outgoing_message_has_attributes_group_and_trace() {
    let services = Services::in_memory();
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let message = Message::new("m-1", body(Action::Send)).trace(trace);
    assert!(
        failed(&Claiming::new(), &services, batch_of(STANDARD, [message]))
            .await
            .is_empty()
    );
    let (mail, [label]) = (
        services.queues().sent(MAIL),
        services.queues().sent(LABELS).try_into().unwrap(),
    );
    assert_eq!(mail[0].attributes["kind"].string_value.as_deref(), Some("greeting"));
    assert_eq!(mail[0].attributes["kind"].data_type.as_deref(), Some("String"));
    assert_eq!((mail[0].group.as_deref(), label.group.as_deref()), (None, Some("g")));
    for message in [&mail[0], &mail[1], &label] {
        assert_eq!(message.trace_header.as_deref(), Some(trace));
        assert!(message.deduplication_id.as_ref().is_some_and(|id| id.len() == 64));
    }
    assert_ne!(mail[0].deduplication_id, mail[1].deduplication_id);
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_sends_again_under_the_same_keys() {
    // As after a process that died between sending and acknowledgement.
    async fn sends_again<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        for times in 1..=3 {
            assert!(
                failed(&handler, &services, actions([("m-1", Action::WriteAndSend)]))
                    .await
                    .is_empty()
            );
            assert_sent(&services, times);
        }
        let mut ids: Vec<_> = services
            .queues()
            .sent(MAIL)
            .into_iter()
            .map(|m| m.deduplication_id)
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 2);
        assert_eq!(services.store().committed().len(), 1);
    }
    sends_again(Claiming::new()).await;
    sends_again(OneStep::new()).await;
}

/// Sends another message at each run.
#[derive(Default)]
struct Varying(Mutex<u32>);

impl Handler for Varying {
    type Message = String;
    type Write = Effect;
    const NAMESPACE: &'static str = "varying";
    const MODE: consumer::Mode = consumer::Mode::OneStep;

    async fn handle(&self, _: String, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        let mut times = self.0.lock().unwrap();
        *times += 1;
        Ok(Completion::new().send(OutgoingMessage::new(MAIL, times.to_string())))
    }
}

#[tokio::test(start_paused = true)]
async fn the_recorded_messages_are_sent_again_not_new_ones() {
    let (handler, services) = (Arc::<Varying>::default(), Services::in_memory());
    for _ in 0..3 {
        let batch = batch_of(STANDARD, [Message::new("m-1", "\"\"")]);
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(*handler.0.lock().unwrap(), 3);
    assert_eq!(bodies(&services, MAIL), ["1", "1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_not_sent_are_sent_by_a_redelivery() {
    async fn are_sent<H: Handler<Write = Effect>>(handler: Arc<H>, fault: QueueFault) {
        let services = Services::in_memory();
        queues_fail(&services, fault);
        let batch = || actions([("m-1", Action::WriteAndSend), ("m-2", Action::Done)]);
        assert_eq!(failed(&handler, &services, batch()).await, ["m-1"], "{fault:?}");
        assert_eq!(status(&services, "m-1"), Some(Status::Completed));
        let before = bodies(&services, LABELS).len();

        assert!(failed(&handler, &services, batch()).await.is_empty());
        assert!(bodies(&services, MAIL).ends_with(&["first".to_owned(), "third".to_owned()]));
        assert_eq!(bodies(&services, LABELS)[before..], ["second"]);
        assert_eq!(services.store().committed().len(), 1);
    }
    for fault in [
        QueueFault::NotSent,
        QueueFault::ReplyLost,
        QueueFault::SendHangs,
        QueueFault::Refused,
    ] {
        are_sent(Claiming::new(), fault).await;
        are_sent(OneStep::new(), fault).await;
    }
}

/// What was sent to the good queue is sent again at each redelivery, under the same key.
#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_keeps_no_other_queues_messages_back() {
    for fault in [QueueFault::Refused, QueueFault::SendHangs] {
        let services = Services::in_memory();
        // The first request is the one to the queue for mail.
        services.queues().inject(fault);
        let batch = actions([("m-1", Action::WriteAndSend)]);
        assert_eq!(failed(&Claiming::new(), &services, batch).await, ["m-1"], "{fault:?}");
        assert_eq!(bodies(&services, MAIL), [""; 0], "{fault:?}");
        assert_eq!(bodies(&services, LABELS), ["second"], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_stays_until_its_messages_are_sent() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let batch = || actions([("m-1", Action::Send)]);
    assert!(failed(&handler, &services, batch()).await.is_empty());
    services.queues().inject(QueueFault::Refused);
    assert_eq!(failed(&handler, &services, batch()).await, ["m-1"]);
    assert!(failed(&handler, &services, batch()).await.is_empty());
    assert_eq!(handler.effects.handled(), ["m-1"]);
}

#[tokio::test(start_paused = true)]
async fn messages_not_known_to_be_recorded_are_not_sent() {
    async fn are_not_sent<H: Handler<Write = Effect>>(handler: Arc<H>, fault: Fault<()>) {
        let services = Services::in_memory();
        ledger_fails(&services, fault);
        assert_eq!(
            failed(&handler, &services, actions([("m-1", Action::WriteAndSend)])).await,
            ["m-1"]
        );
        assert!(services.queues().sent(MAIL).is_empty());
    }
    for fault in [Fault::Unreachable, Fault::ReplyLost, Fault::Hangs] {
        are_not_sent(Claiming::new(), fault(Some(Status::Completed))).await;
        are_not_sent(OneStep::new(), fault(Some(Status::Completed))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_lost_reply_are_sent_by_a_redelivery() {
    async fn is_sent<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        ledger_fails(&services, Fault::ReplyLost(Some(Status::Completed)));
        let batch = || actions([("m-1", Action::WriteAndSend)]);
        assert_eq!(failed(&handler, &services, batch()).await, ["m-1"]);
        assert!(failed(&handler, &services, batch()).await.is_empty());
        assert_sent(&services, 1);
    }
    is_sent(Claiming::new()).await;
    is_sent(OneStep::new()).await;
}

/// Loses its lease to another attempt while it runs.
struct TakenOver(Arc<Memory>);

impl Handler for TakenOver {
    type Message = Script;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";

    async fn handle(&self, script: Script, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        let taken = NOW.plus(std::time::Duration::from_secs(60));
        let other = Attempt::new(key(delivery.message_id()), taken, taken);
        let claim = self.0.ledger().claim(&other, later()).await?;
        assert!(matches!(claim, Claim::Granted(_)));
        perform(&script, delivery).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_lost_its_lease_sends_no_messages() {
    for action in [Action::Send, Action::WriteAndSend] {
        let services = Arc::new(Services::in_memory());
        let handler = Arc::new(TakenOver(Arc::clone(&services)));
        assert_eq!(failed(&handler, &services, actions([("m-1", action)])).await, ["m-1"]);
        assert!(services.queues().sent(MAIL).is_empty());
        assert!(services.store().committed().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_lost_its_lease_sends_no_dead_letter() {
    let services = Arc::new(with_dead_letter_queue());
    let handler = Arc::new(TakenOver(Arc::clone(&services)));
    assert_eq!(
        failed(&handler, &services, actions([("m-1", Action::Permanent)])).await,
        ["m-1"]
    );
    assert!(services.queues().sent(DLQ).is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::InProgress));
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_is_already_done_sends_its_messages() {
    async fn are_sent<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert!(
            failed(&handler, &services, actions([("m-1", Action::WriteAndSend)]))
                .await
                .is_empty()
        );
        assert!(services.store().committed().is_empty());
        assert_sent(&services, 1);
        assert_eq!(services.store().record(&key("m-1")).unwrap().outgoing.len(), 3);
    }
    are_sent(Claiming::new()).await;
    are_sent(OneStep::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_can_not_be_sent_commits_nothing() {
    async fn is_rejected<H: Handler<Write = Effect>>(handler: Arc<H>, action: Action, why: &str) {
        let services = with_dead_letter_queue();
        assert!(failed(&handler, &services, actions([("m-1", action)])).await.is_empty());
        let reason = reason(&services, "m-1").unwrap();
        assert!(reason.starts_with(why), "{reason}");
        assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
        assert!(services.store().committed().is_empty() && services.queues().sent(MAIL).is_empty());
        let dead_letter = &services.queues().sent(DLQ)[0];
        assert_eq!(rejection(dead_letter).reason, reason);
    }
    let invalid = format!("outgoing message 1 can't be sent to {MAIL}: its body is empty");
    let too_much = "the completed record, with its result and outgoing messages, would take 40";
    for (action, why) in [
        (Action::WriteAndSendInvalid, invalid.as_str()),
        (Action::WriteAndSendTooMuch, too_much),
    ] {
        is_rejected(Claiming::new(), action, why).await;
        is_rejected(OneStep::new(), action, why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_outgoing_messages_of_its_first_message() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    services.queues().inject(QueueFault::Refused);
    let batch = || {
        batch(
            FIFO,
            [("a-1", "a", body(Action::Send)), ("a-2", "a", body(Action::Send))],
        )
    };
    assert_eq!(failed(&handler, &services, batch()).await, ["a-1", "a-2"]);
    assert_eq!(handler.effects.handled(), ["a-1"]);
    assert!(failed(&handler, &services, batch()).await.is_empty());
    assert_eq!(keys(&services, MAIL)[2..], ["scripted#a-2/0", "the third"]);
    assert_eq!(
        keys(&services, LABELS),
        ["scripted#a-1/1", "scripted#a-1/1", "scripted#a-2/1"]
    );
}

/// Sends as many messages as its message states.
pub(crate) struct Sending;

impl Handler for Sending {
    type Message = usize;
    type Write = Effect;
    const NAMESPACE: &'static str = "sending";

    async fn handle(&self, messages: usize, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        let messages = (0..messages).map(|n| OutgoingMessage::new(MAIL, n.to_string()));
        Ok(messages.fold(Completion::new(), Completion::send))
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_reply_all_messages_are_sent_again_in_order() {
    let (handler, services) = (Arc::new(Sending), Services::in_memory());
    services.queues().inject(QueueFault::ReplyLost);
    let batch = batch_of(STANDARD, [Message::new("m-1", "25")]);
    assert!(failed(&handler, &services, batch).await.is_empty());
    let numbers: Vec<_> = (0..25).map(|n| n.to_string()).collect();
    assert_eq!(bodies(&services, MAIL), [&*numbers, &*numbers].concat());
}

/// Queues that accept less than SQS.
struct Small(MemoryQueues);

impl Queues for Small {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        self.0.send(queue, messages).await
    }

    fn limits(&self, queue: &str) -> Limits {
        Limits {
            message_bytes: 200,
            attributes: if queue == DLQ { 2 } else { 1 },
            ..MemoryQueues::new().limits(queue)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_limits_are_those_of_the_queue() {
    let (store, queues) = (MemoryStore::<Effect>::new(), Small(MemoryQueues::new()));
    let services = Services::new(store, queues).with_dead_letter_queue(DLQ);
    let batch = actions([("m-1", Action::Send)]);
    let report = process_batch(&OneStep::new(), &services, batch.messages, false, &ten_seconds()).await;
    assert_eq!(report.verdicts, [Verdict::Rejected]);
    let record = services.store().record(&key("m-1")).unwrap();
    let reason = record.reason.unwrap();
    assert!(
        reason.contains("it has 2 attributes, its key included, of at most 1"),
        "{reason}"
    );
    // Its dead letter has room for the beginning of the reason.
    let [dead_letter] = services.queues().0.sent(DLQ).try_into().unwrap();
    assert_eq!((dead_letter.attributes.len(), dead_letter.bytes()), (2, 200));
    assert!(reason.starts_with(&rejection(&dead_letter).reason));
}
