//! The outcomes of messages, in both modes with a ledger.

use consumer::Services;
use consumer::{Delivery, Handler, MessageId, Summary, Verdict, process_one};
use idempotency::{Attempt, Claim, Completion, Fault, InvalidKey, MemoryStore, Status};

use crate::common::{
    Action, Claiming, Effect, Message, NOW, OneStep, Panicking, STANDARD, actions, batch, body, failed, key, later,
    ledger_fails, status, ten_seconds, with_dead_letter_queue,
};

#[tokio::test(start_paused = true)]
async fn only_failed_messages_stay_in_the_order_of_the_batch() {
    let services = Services::in_memory();
    let batch = actions([
        ("m-1", Action::Retry),
        ("m-2", Action::Done),
        ("m-3", Action::Panic),
        ("m-4", Action::Permanent),
        ("m-5", Action::Done),
    ]);
    assert_eq!(
        failed(&Claiming::new(), &services, batch.clone()).await,
        ["m-1", "m-3", "m-4"]
    );
    assert_eq!(
        failed(&OneStep::new(), &Services::in_memory(), batch).await,
        ["m-1", "m-3", "m-4"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_processed_before_is_acknowledged_without_a_run() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for _ in 0..3 {
        assert!(
            failed(&handler, &services, actions([("m-1", Action::Done)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(handler.effects.handled(), ["m-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_one_step_handler_that_runs_again_commits_nothing() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    for _ in 0..3 {
        assert!(
            failed(&handler, &services, actions([("m-1", Action::Write)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(services.store().committed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_leaves_its_key_free() {
    for action in [Action::Retry, Action::Panic] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        assert_eq!(failed(&handler, &services, actions([("m-1", action)])).await, ["m-1"]);
        assert_eq!(status(&services, "m-1"), None);
        assert!(
            failed(&handler, &services, actions([("m-1", Action::Done)]))
                .await
                .is_empty()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_not_handled_again() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for _ in 0..2 {
        assert_eq!(
            failed(&handler, &services, actions([("m-1", Action::Permanent)])).await,
            ["m-1"]
        );
    }
    assert_eq!(handler.effects.handled(), ["m-1"]);
    assert_eq!(
        services.store().record(&key("m-1")).unwrap().reason.as_deref(),
        Some("not ever")
    );
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_recorded_in_one_step_mode_too() {
    let services = Services::in_memory();
    for _ in 0..2 {
        assert_eq!(
            failed(&OneStep::new(), &services, actions([("m-1", Action::Permanent)])).await,
            ["m-1"]
        );
    }
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_body_rejects_its_own_message() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let batch = batch(STANDARD, [("m-1", "", "{".to_owned()), ("m-2", "", body(Action::Done))]);
    assert_eq!(failed(&handler, &services, batch).await, ["m-1"]);
    assert_eq!(handler.effects.handled(), ["m-2"]);
    let reason = services.store().record(&key("m-1")).unwrap().reason.unwrap();
    assert!(reason.starts_with("malformed body: unexpected end of JSON"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_message_in_progress_stays_and_is_not_handled() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let claim = services
        .ledger()
        .claim(&Attempt::new(key("m-1"), NOW, ten_seconds_later()), later())
        .await
        .unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
    assert_eq!(
        failed(&handler, &services, actions([("m-1", Action::Done)])).await,
        ["m-1"]
    );
    assert!(handler.effects.handled().is_empty());
}

fn ten_seconds_later() -> idempotency::Timestamp {
    NOW.plus(std::time::Duration::from_secs(10))
}

#[tokio::test(start_paused = true)]
async fn without_a_claim_no_handler_runs() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    services.store().inject(Fault::Refused(Some(Status::InProgress)));
    let batch = actions([("m-1", Action::Write), ("m-2", Action::Done)]);
    assert_eq!(failed(&handler, &services, batch).await, ["m-1"]);
    assert_eq!(handler.effects.handled(), ["m-2"]);
    assert!(services.store().committed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_to_a_claim_no_handler_runs() {
    for fault in [Fault::Unreachable, Fault::ReplyLost, Fault::Hangs] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        ledger_fails(&services, fault(Some(Status::InProgress)));
        assert_eq!(
            failed(&handler, &services, actions([("m-1", Action::Write)])).await,
            ["m-1"]
        );
        assert!(handler.effects.handled().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_completion_without_a_reply_is_not_acknowledged() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    ledger_fails(&services, Fault::ReplyLost(Some(Status::Completed)));
    assert_eq!(
        failed(&handler, &services, actions([("m-1", Action::Write)])).await,
        ["m-1"]
    );
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));

    assert!(
        failed(&handler, &services, actions([("m-1", Action::Write)]))
            .await
            .is_empty()
    );
    assert_eq!(
        (handler.effects.handled().len(), services.store().committed().len()),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_a_reply_is_not_acknowledged() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    ledger_fails(&services, Fault::ReplyLost(Some(Status::Completed)));
    assert_eq!(
        failed(&handler, &services, actions([("m-1", Action::Write)])).await,
        ["m-1"]
    );
    assert!(
        failed(&handler, &services, actions([("m-1", Action::Write)]))
            .await
            .is_empty()
    );
    assert_eq!(services.store().committed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_was_not_recorded_is_not_acknowledged() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    ledger_fails(&services, Fault::Unreachable(Some(Status::Completed)));
    assert_eq!(
        failed(&handler, &services, actions([("m-1", Action::Write)])).await,
        ["m-1"]
    );
    assert!(services.store().committed().is_empty());
    // The lease is not released: the completion may still be in flight.
    assert_eq!(status(&services, "m-1"), Some(Status::InProgress));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_conflict_is_retried_within_the_batch() {
    for services in [Services::in_memory(), Services::in_memory()] {
        (0..3).for_each(|_| services.store().inject(Fault::Conflict));
        assert!(
            failed(&Claiming::new(), &services, actions([("m-1", Action::Write)]))
                .await
                .is_empty()
        );
        (0..3).for_each(|_| services.store().inject(Fault::Conflict));
        assert!(
            failed(&OneStep::new(), &services, actions([("m-2", Action::Write)]))
                .await
                .is_empty()
        );
        assert_eq!(services.store().committed().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_already_done_completes_the_message() {
    async fn done_without_writes<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert!(
            failed(&handler, &services, actions([("m-1", Action::Write)]))
                .await
                .is_empty()
        );
        assert_eq!(status(&services, "m-1"), Some(Status::Completed));
        assert!(services.store().committed().is_empty());
    }
    done_without_writes(Claiming::new()).await;
    done_without_writes(OneStep::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_permanently_refused_write_rejects_the_message() {
    async fn rejected<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert_eq!(
            failed(&handler, &services, actions([("m-1", Action::WriteOnce)])).await,
            ["m-1"]
        );
        assert_eq!(
            services.store().record(&key("m-1")).unwrap().reason.as_deref(),
            Some("there is another")
        );
    }
    rejected(Claiming::new()).await;
    rejected(OneStep::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_the_handler_fails_its_own_message_only() {
    async fn only_one_fails<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>, action: Action) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        let batch = actions([("m-1", Action::Done), ("m-2", action), ("m-3", Action::Done)]);
        assert_eq!(failed(&handler, &services, batch).await, ["m-2"]);
    }
    for action in [Action::PanicInDecoding(Panicking), Action::PanicInRefusal] {
        only_one_fails(Claiming::new(), action).await;
        only_one_fails(OneStep::new(), action).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_a_claim_or_rejection_is_retried() {
    let services = Services::in_memory();
    (0..3).for_each(|_| services.store().inject(Fault::RecordConflict));
    assert!(
        failed(&Claiming::new(), &services, actions([("m-1", Action::Done)]))
            .await
            .is_empty()
    );
    (0..3).for_each(|_| services.store().inject(Fault::RecordConflict));
    assert_eq!(
        failed(&OneStep::new(), &services, actions([("m-2", Action::Permanent)])).await,
        ["m-2"]
    );
    assert_eq!(status(&services, "m-2"), Some(Status::Rejected));
}

#[tokio::test(start_paused = true)]
async fn a_message_twice_in_one_batch_is_processed_once() {
    for (action, stays) in [(Action::Done, vec![]), (Action::Retry, vec!["m-1"])] {
        let handler = Claiming::new();
        let batch = actions([("m-1", action), ("m-2", Action::Done), ("m-1", action)]);
        assert_eq!(failed(&handler, &Services::in_memory(), batch).await, stays);
        assert_eq!(handler.effects.handled().iter().filter(|id| *id == "m-1").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_message_has_the_verdict_that_it_has_in_a_batch() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    type Count = fn(Summary) -> u32;
    let cases: [(_, _, Count); 4] = [
        ("done", Action::Done, |summary| summary.done),
        ("done", Action::Done, |summary| summary.duplicate),
        ("rejected", Action::Permanent, |summary| summary.rejected),
        ("failed", Action::Retry, |summary| summary.failed),
    ];
    for (id, action, count) in cases {
        let Message(message) = Message::new(id, body(action));
        let (verdict, counted, _) = process_one(&handler, &services, message, false, &ten_seconds()).await;
        match id {
            "done" => assert_eq!(verdict, Verdict::Done),
            "rejected" => assert_eq!(verdict, Verdict::Rejected),
            _ => assert!(matches!(verdict, Verdict::Retry { at: Some(_) }), "{verdict:?}"),
        }
        assert_eq!(count(counted), 1, "{id}");
    }
}

#[test]
fn a_message_id_is_not_empty() {
    assert_eq!(MessageId::new(""), None);
    assert_eq!(MessageId::new("m-1").unwrap().as_str(), "m-1");
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_has_no_verdicts() {
    assert!(
        failed(&Claiming::new(), &Services::in_memory(), actions([]))
            .await
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_is_kept_as_long_as_is_configured() {
    async fn kept<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>, days: u64) {
        let retention = std::time::Duration::from_secs(days * 24 * 60 * 60);
        let services = Services::in_memory().with_retention(retention);
        assert!(
            failed(&handler, &services, actions([("m-1", Action::Done)]))
                .await
                .is_empty()
        );
        let record = services.store().record(&key("m-1")).unwrap();
        assert_eq!(record.expiration_seconds, NOW.plus(retention).seconds());
    }
    for days in [1, 400] {
        kept(Claiming::new(), days).await;
        kept(OneStep::new(), days).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_can_call_a_handler_directly() {
    let Message(message) = Message::new("m-1", body(Action::Done));
    let delivery = Delivery::new("scripted", message).unwrap();
    assert_eq!((delivery.message_id(), delivery.receive_count()), ("m-1", 1));
    assert_eq!(delivery.idempotency_token(), key("m-1").token());
    let invalid = Message::new("m-1", "").0;
    assert_eq!(Delivery::new("a#b", invalid).unwrap_err(), InvalidKey::Namespace);
}

#[test]
fn a_record_in_memory_has_at_most_400_kb() {
    let services = Services::<MemoryStore<Effect>, _>::in_memory();
    let fits = |bytes: usize| {
        let attempt = Attempt::new(key("m-1"), NOW, ten_seconds_later());
        let completion = Completion::new().data("x".repeat(bytes).into());
        services.ledger().seal(attempt, completion).is_ok()
    };
    // The rest are the key, an empty list of messages, and the quotation marks of the result.
    let room = 400 * 1024 - "scripted#m-1".len() - "[]".len() - r#""""#.len();
    assert!(fits(room) && !fits(room + 1));
}
