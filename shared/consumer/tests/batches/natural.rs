//! `Mode::Natural`: a handler that is idempotent by itself uses no ledger.

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{QueueFault, Services};

use crate::common::{
    Action, DLQ, FIFO, LABELS, MAIL, Message, Natural, Panicking, STANDARD, actions, batch, batch_of, bodies, body,
    failed, queues_fail, rejection, with_dead_letter_queue,
};

#[tokio::test(start_paused = true)]
async fn natural_mode_sends_no_request_to_the_ledger() {
    let services = with_dead_letter_queue();
    let batch = actions([
        ("m-1", Action::Done),
        ("m-2", Action::Retry),
        ("m-3", Action::Permanent),
        ("m-4", Action::Panic),
        ("m-5", Action::Send),
        ("m-6", Action::WriteAndSend),
        ("m-7", Action::Hang),
        ("m-8", Action::PanicInDecoding(Panicking)),
        ("m-9", Action::RetryAfter(60)),
    ]);
    let reported = failed(&Natural::new(), &services, batch).await;
    assert_eq!(reported, ["m-2", "m-4", "m-6", "m-7", "m-8", "m-9"]);
    assert_eq!(services.store().requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_natural_handler_runs_at_every_delivery_once_a_batch() {
    let (handler, services) = (Natural::new(), Services::in_memory());
    for _ in 0..2 {
        let batch = actions([("m-1", Action::Done), ("m-1", Action::Done)]);
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(handler.effects.handled(), ["m-1", "m-1"]);
}

#[tokio::test(start_paused = true)]
async fn outgoing_messages_are_sent_at_every_delivery() {
    let services = Services::in_memory();
    for _ in 0..2 {
        assert!(
            failed(&Natural::new(), &services, actions([("m-1", Action::Send)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(bodies(&services, MAIL), ["first", "third", "first", "third"]);
    assert_eq!(bodies(&services, LABELS), ["second", "second"]);
    let keys: Vec<_> = services
        .queues()
        .sent(LABELS)
        .into_iter()
        .map(|message| message.deduplication_id)
        .collect();
    assert_eq!(keys[0], keys[1]);
    let label = &services.queues().sent(LABELS)[0];
    assert_eq!(
        label.attributes[IDEMPOTENCY_KEY].string_value.as_deref(),
        Some("scripted#m-1/1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_until_its_outgoing_messages_are_sent() {
    for fault in [QueueFault::NotSent, QueueFault::ReplyLost, QueueFault::SendHangs] {
        let services = Services::in_memory();
        queues_fail(&services, fault);
        assert_eq!(
            failed(&Natural::new(), &services, actions([("m-1", Action::Send)])).await,
            ["m-1"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_with_writes_fails_in_natural_mode() {
    let services = with_dead_letter_queue();
    for _ in 0..2 {
        for action in [Action::Write, Action::WriteAndSend] {
            assert_eq!(
                failed(&Natural::new(), &services, actions([("m-1", action)])).await,
                ["m-1"]
            );
        }
    }
    // The author has to fix the handler; the message is not at fault.
    assert!(services.queues().sent(DLQ).is_empty() && services.queues().sent(MAIL).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_not_sent_is_sent_after_another_run() {
    let (handler, services) = (Natural::new(), with_dead_letter_queue());
    services.queues().inject(QueueFault::Refused);
    assert_eq!(
        failed(&handler, &services, actions([("m-1", Action::Permanent)])).await,
        ["m-1"]
    );
    assert!(
        failed(&handler, &services, actions([("m-1", Action::Permanent)]))
            .await
            .is_empty()
    );
    assert_eq!(handler.effects.handled(), ["m-1", "m-1"]);
    let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    assert_eq!(rejection(&dead_letter).reason, "not ever");
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_can_not_be_sent_is_dead_lettered() {
    let services = with_dead_letter_queue();
    let batch = batch_of(STANDARD, [Message::new("m-1", body(Action::SendInvalid))]);
    assert!(failed(&Natural::new(), &services, batch).await.is_empty());
    assert_eq!(services.queues().sent(DLQ).len(), 1);
    assert!(services.queues().sent(MAIL).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_processed_in_order_and_waits_for_a_failure() {
    let (handler, services) = (Natural::new(), with_dead_letter_queue());
    let messages = [
        ("a-1", "a", body(Action::Done)),
        ("a-2", "a", body(Action::Permanent)),
        ("a-3", "a", body(Action::Retry)),
        ("a-4", "a", body(Action::Done)),
    ];
    assert_eq!(failed(&handler, &services, batch(FIFO, messages)).await, ["a-3", "a-4"]);
    assert_eq!(handler.effects.handled(), ["a-1", "a-2", "a-3"]);
}
