//! A handler that is a no-op on repetition by itself pays for no ledger.

use consumer::dead_letter::{FAILURE_REASON, IDEMPOTENCY_KEY};
use consumer::{QueueFault, Services};

use crate::common::{
    Bomb, DEAD, Deed, FIFO, LABELS, MAIL, Natural, STANDARD, Sent, bodies, body, deeds, event, event_of, failed,
    with_dead_letter_queue,
};

#[tokio::test(start_paused = true)]
async fn the_ledger_gets_no_request_whatever_happens() {
    let services = with_dead_letter_queue();
    let event = deeds([
        ("m-1", Deed::Succeed),
        ("m-2", Deed::Retry),
        ("m-3", Deed::Permanent),
        ("m-4", Deed::Panic),
        ("m-5", Deed::Send),
        ("m-6", Deed::WriteAndSend),
        ("m-7", Deed::Hang),
        ("m-8", Deed::PanicInDecoding(Bomb)),
        ("m-9", Deed::RetryInAMinute),
    ]);
    let reported = failed(&Natural::new(), &services, event).await;
    assert_eq!(reported, ["m-2", "m-4", "m-6", "m-7", "m-8", "m-9"]);
    assert_eq!(services.store().requests(), 0);
}

#[tokio::test]
async fn it_runs_at_every_delivery_but_once_for_a_message_that_comes_twice_in_one_batch() {
    let (handler, services) = (Natural::new(), Services::in_memory());
    for _ in 0..2 {
        let event = deeds([("m-1", Deed::Succeed), ("m-1", Deed::Succeed)]);
        assert!(failed(&handler, &services, event).await.is_empty());
    }
    assert_eq!(handler.handled(), ["m-1", "m-1"]);
}

#[tokio::test]
async fn its_messages_are_sent_at_every_delivery_under_the_same_keys() {
    let services = Services::in_memory();
    for _ in 0..2 {
        assert!(
            failed(&Natural::new(), &services, deeds([("m-1", Deed::Send)]))
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
        .map(|sent| sent.deduplication_id)
        .collect();
    assert_eq!(keys[0], keys[1]);
    let label = &services.queues().sent(LABELS)[0];
    assert_eq!(
        label.attributes[IDEMPOTENCY_KEY].string_value.as_deref(),
        Some("scripted#m-1/1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_messages_are_not_sent_comes_again() {
    for fault in [QueueFault::NotSent, QueueFault::ReplyLost, QueueFault::SendHangs] {
        let services = Services::in_memory();
        services.queues().inject(fault);
        assert_eq!(
            failed(&Natural::new(), &services, deeds([("m-1", Deed::Send)])).await,
            ["m-1"]
        );
    }
}

#[tokio::test]
async fn writes_that_nothing_would_commit_fail_their_message_and_are_not_dropped() {
    let services = with_dead_letter_queue();
    for _ in 0..2 {
        for deed in [Deed::Write, Deed::WriteAndSend] {
            assert_eq!(
                failed(&Natural::new(), &services, deeds([("m-1", deed)])).await,
                ["m-1"]
            );
        }
    }
    // It is for the author to mend, and the message is none the worse.
    assert!(services.queues().sent(DEAD).is_empty() && services.queues().sent(MAIL).is_empty());
}

#[tokio::test]
async fn a_letter_that_is_not_sent_is_sent_after_the_handler_ran_again() {
    let (handler, services) = (Natural::new(), with_dead_letter_queue());
    services.queues().inject(QueueFault::NotSent);
    assert_eq!(
        failed(&handler, &services, deeds([("m-1", Deed::Permanent)])).await,
        ["m-1"]
    );
    assert!(
        failed(&handler, &services, deeds([("m-1", Deed::Permanent)]))
            .await
            .is_empty()
    );
    assert_eq!(handler.handled(), ["m-1", "m-1"]);
    let [letter] = services.queues().sent(DEAD).try_into().unwrap();
    assert_eq!(
        letter.attributes[FAILURE_REASON].string_value.as_deref(),
        Some("not ever")
    );
}

#[tokio::test]
async fn what_could_never_be_sent_is_handed_over() {
    let services = with_dead_letter_queue();
    let event = event_of(STANDARD, [Sent::new("m-1", body(Deed::SendRubbish))]);
    assert!(failed(&Natural::new(), &services, event).await.is_empty());
    assert_eq!(services.queues().sent(DEAD).len(), 1);
    assert!(services.queues().sent(MAIL).is_empty());
}

#[tokio::test]
async fn a_group_is_worked_in_order_and_waits_behind_a_failure() {
    let (handler, services) = (Natural::new(), with_dead_letter_queue());
    let messages = [
        ("a-1", "a", body(Deed::Succeed)),
        ("a-2", "a", body(Deed::Permanent)),
        ("a-3", "a", body(Deed::Retry)),
        ("a-4", "a", body(Deed::Succeed)),
    ];
    assert_eq!(failed(&handler, &services, event(FIFO, messages)).await, ["a-3", "a-4"]);
    assert_eq!(handler.handled(), ["a-1", "a-2", "a-3"]);
}
