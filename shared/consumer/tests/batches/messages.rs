//! What becomes of a message, in either mode.

use consumer::Services;
use consumer::{Handler, MessageId, Summary, Verdict, process_one};
use idempotency::{Attempt, Claim, Fault, Status};

use crate::common::{
    Bomb, Claiming, Deed, Effect, NOW, OneStep, STANDARD, Sent, body, deeds, event, failed, key, status, ten_seconds,
    with_dead_letter_queue,
};

#[tokio::test]
async fn only_the_failed_messages_are_reported_in_the_events_order() {
    let services = Services::in_memory();
    let event = deeds([
        ("m-1", Deed::Retry),
        ("m-2", Deed::Succeed),
        ("m-3", Deed::Panic),
        ("m-4", Deed::Permanent),
        ("m-5", Deed::Succeed),
    ]);
    assert_eq!(
        failed(&Claiming::new(), &services, event.clone()).await,
        ["m-1", "m-3", "m-4"]
    );
    assert_eq!(
        failed(&OneStep::new(), &Services::in_memory(), event).await,
        ["m-1", "m-3", "m-4"]
    );
}

#[tokio::test]
async fn a_message_that_was_done_is_acknowledged_and_not_handled_again() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for _ in 0..3 {
        assert!(
            failed(&handler, &services, deeds([("m-1", Deed::Succeed)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(handler.handled(), ["m-1"]);
}

#[tokio::test]
async fn a_one_step_handler_that_runs_again_commits_nothing_again() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    for _ in 0..3 {
        assert!(
            failed(&handler, &services, deeds([("m-1", Deed::Write)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(services.store().committed().len(), 1);
}

#[tokio::test]
async fn a_failed_message_leaves_its_key_free() {
    for deed in [Deed::Retry, Deed::Panic] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        assert_eq!(failed(&handler, &services, deeds([("m-1", deed)])).await, ["m-1"]);
        assert_eq!(status(&services, "m-1"), None);
        assert!(
            failed(&handler, &services, deeds([("m-1", Deed::Succeed)]))
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_permanently_failed_message_is_not_handled_again_and_stays_reported() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    for _ in 0..2 {
        assert_eq!(
            failed(&handler, &services, deeds([("m-1", Deed::Permanent)])).await,
            ["m-1"]
        );
    }
    assert_eq!(handler.handled(), ["m-1"]);
    assert_eq!(
        services.store().record(&key("m-1")).unwrap().reason.as_deref(),
        Some("not ever")
    );
}

#[tokio::test]
async fn a_one_step_handler_records_its_permanent_failures_too() {
    let services = Services::in_memory();
    for _ in 0..2 {
        assert_eq!(
            failed(&OneStep::new(), &services, deeds([("m-1", Deed::Permanent)])).await,
            ["m-1"]
        );
    }
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
}

#[tokio::test]
async fn a_malformed_body_fails_its_own_message_for_good() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let event = event(
        STANDARD,
        [("m-1", "", "{".to_owned()), ("m-2", "", body(Deed::Succeed))],
    );
    assert_eq!(failed(&handler, &services, event).await, ["m-1"]);
    assert_eq!(handler.handled(), ["m-2"]);
    let reason = services.store().record(&key("m-1")).unwrap().reason.unwrap();
    assert!(reason.starts_with("malformed body: it ends too early"), "{reason}");
}

#[tokio::test]
async fn a_message_in_progress_elsewhere_is_reported_and_not_handled() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let twin = services
        .ledger()
        .claim(&Attempt::new(key("m-1"), NOW, ten_seconds_later()))
        .await
        .unwrap();
    assert!(matches!(twin, Claim::Granted(_)));
    assert_eq!(
        failed(&handler, &services, deeds([("m-1", Deed::Succeed)])).await,
        ["m-1"]
    );
    assert!(handler.handled().is_empty());
}

fn ten_seconds_later() -> idempotency::Timestamp {
    NOW.plus(std::time::Duration::from_secs(10))
}

#[tokio::test]
async fn a_ledger_that_cannot_be_reached_costs_the_message_and_runs_no_handler() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    services.store().inject(Fault::Unreachable(Some(Status::InProgress)));
    let event = deeds([("m-1", Deed::Write), ("m-2", Deed::Succeed)]);
    assert_eq!(failed(&handler, &services, event).await, ["m-1"]);
    assert_eq!(handler.handled(), ["m-2"]);
    assert!(services.store().committed().is_empty());
}

#[tokio::test]
async fn a_completion_without_an_answer_is_never_acknowledged_and_never_undone() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    services.store().inject(Fault::ReplyLost(Some(Status::Completed)));
    assert_eq!(
        failed(&handler, &services, deeds([("m-1", Deed::Write)])).await,
        ["m-1"]
    );
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));

    assert!(
        failed(&handler, &services, deeds([("m-1", Deed::Write)]))
            .await
            .is_empty()
    );
    assert_eq!((handler.handled().len(), services.store().committed().len()), (1, 1));
}

#[tokio::test]
async fn a_commit_without_an_answer_is_not_acknowledged_and_found_done_at_the_next_delivery() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    services.store().inject(Fault::ReplyLost(Some(Status::Completed)));
    assert_eq!(
        failed(&handler, &services, deeds([("m-1", Deed::Write)])).await,
        ["m-1"]
    );
    assert!(
        failed(&handler, &services, deeds([("m-1", Deed::Write)]))
            .await
            .is_empty()
    );
    assert_eq!(services.store().committed().len(), 1);
}

#[tokio::test]
async fn a_completion_that_never_arrived_leaves_the_message_to_come_again() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    services.store().inject(Fault::Unreachable(Some(Status::Completed)));
    assert_eq!(
        failed(&handler, &services, deeds([("m-1", Deed::Write)])).await,
        ["m-1"]
    );
    assert!(services.store().committed().is_empty());
    // The lease is left to end: nobody knows whether the completion is still on its way.
    assert_eq!(status(&services, "m-1"), Some(Status::InProgress));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_transactions_is_tried_again_within_the_batch() {
    for services in [Services::in_memory(), Services::in_memory()] {
        (0..3).for_each(|_| services.store().inject(Fault::Conflict));
        assert!(
            failed(&Claiming::new(), &services, deeds([("m-1", Deed::Write)]))
                .await
                .is_empty()
        );
        (0..3).for_each(|_| services.store().inject(Fault::Conflict));
        assert!(
            failed(&OneStep::new(), &services, deeds([("m-2", Deed::Write)]))
                .await
                .is_empty()
        );
        assert_eq!(services.store().committed().len(), 2);
    }
}

#[tokio::test]
async fn a_write_whose_effect_is_there_already_completes_the_message_without_it() {
    async fn done_without_writes<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert!(
            failed(&handler, &services, deeds([("m-1", Deed::Write)]))
                .await
                .is_empty()
        );
        assert_eq!(status(&services, "m-1"), Some(Status::Completed));
        assert!(services.store().committed().is_empty());
    }
    done_without_writes(Claiming::new()).await;
    done_without_writes(OneStep::new()).await;
}

#[tokio::test]
async fn a_write_that_is_refused_for_good_rejects_the_message() {
    async fn rejected<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert_eq!(
            failed(&handler, &services, deeds([("m-1", Deed::WriteOnce)])).await,
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

#[tokio::test]
async fn a_panic_outside_the_handler_costs_its_own_message_only() {
    async fn only_one_fails<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>, deed: Deed) {
        let services = Services::in_memory();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        let event = deeds([("m-1", Deed::Succeed), ("m-2", deed), ("m-3", Deed::Succeed)]);
        assert_eq!(failed(&handler, &services, event).await, ["m-2"]);
    }
    for deed in [Deed::PanicInDecoding(Bomb), Deed::WriteBadly] {
        only_one_fails(Claiming::new(), deed).await;
        only_one_fails(OneStep::new(), deed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_or_a_rejection_that_meets_a_transaction_is_tried_again_within_the_batch() {
    let services = Services::in_memory();
    (0..3).for_each(|_| services.store().inject(Fault::RecordConflict));
    assert!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Succeed)]))
            .await
            .is_empty()
    );
    (0..3).for_each(|_| services.store().inject(Fault::RecordConflict));
    assert_eq!(
        failed(&OneStep::new(), &services, deeds([("m-2", Deed::Permanent)])).await,
        ["m-2"]
    );
    assert_eq!(status(&services, "m-2"), Some(Status::Rejected));
}

#[tokio::test]
async fn a_message_that_comes_twice_in_one_batch_is_worked_once_and_reported_once() {
    for (deed, reported) in [(Deed::Succeed, vec![]), (Deed::Retry, vec!["m-1"])] {
        let handler = Claiming::new();
        let event = deeds([("m-1", deed), ("m-2", Deed::Succeed), ("m-1", deed)]);
        assert_eq!(failed(&handler, &Services::in_memory(), event).await, reported);
        assert_eq!(handler.handled().iter().filter(|id| *id == "m-1").count(), 1);
    }
}

#[tokio::test]
async fn one_message_ends_as_it_would_in_a_batch() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    let count: [(_, _, fn(Summary) -> u32); 4] = [
        ("done", Deed::Succeed, |summary| summary.done),
        ("done", Deed::Succeed, |summary| summary.duplicate),
        ("rejected", Deed::Permanent, |summary| summary.rejected),
        ("failed", Deed::Retry, |summary| summary.failed),
    ];
    for (id, deed, count) in count {
        let Sent(message) = Sent::new(id, body(deed));
        let (verdict, counted) = process_one(&handler, &services, message, false, &ten_seconds()).await;
        match id {
            "done" => assert_eq!(verdict, Verdict::Done),
            "rejected" => assert_eq!(verdict, Verdict::Rejected),
            _ => assert!(matches!(verdict, Verdict::Retry { at: Some(_) }), "{verdict:?}"),
        }
        assert_eq!(count(counted), 1, "{id}");
    }
}

#[test]
fn a_message_has_an_id() {
    assert_eq!(MessageId::new(""), None);
    assert_eq!(MessageId::new("m-1").unwrap().as_str(), "m-1");
}

#[tokio::test]
async fn an_empty_batch_has_no_verdicts() {
    assert!(
        failed(&Claiming::new(), &Services::in_memory(), deeds([]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_record_is_kept_as_long_as_is_configured() {
    async fn kept<H: Handler<Write = Effect>>(handler: std::sync::Arc<H>, days: u64) {
        let retention = std::time::Duration::from_secs(days * 24 * 60 * 60);
        let services = Services::in_memory().with_retention(retention);
        assert!(
            failed(&handler, &services, deeds([("m-1", Deed::Succeed)]))
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
