//! The ledger in memory.

use std::time::Duration;

use idempotency::{
    Answer, Completion, DynamoDbWrite, Fault, Ledger, MemoryStore, NoWrites, OutgoingMessage, Refusal, Status,
    StoreError, TooLarge,
};
use tokio::time::Instant;

use crate::failures::chain;
use crate::store::{LEASE, NOW, attempt, complete, effect, fresh_key, lease, soon};

conformance::store_tests! { start: Some(conformance::store::Memory::new()), rounds: 500 }

struct Memory {
    ledger: Ledger<MemoryStore<DynamoDbWrite>>,
}

impl Memory {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(MemoryStore::new()),
        }
    }

    fn ledger(&self) -> &Ledger<MemoryStore<DynamoDbWrite>> {
        &self.ledger
    }
}

#[tokio::test]
async fn a_refusal_without_a_stated_meaning_is_a_retry() {
    let memory = Memory::new();
    let fault = Fault::WriteRefused { write: 0, found: None };
    memory.ledger().store().inject(fault);
    let completion = Completion::new().write(effect("e"));
    let answer = complete(memory.ledger(), attempt(&fresh_key(), NOW), completion).await;
    assert!(matches!(answer, Answer::WriteRefused(Refusal::Retry(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_usable_after_an_extension_without_reply() {
    let memory = Memory::new();
    let (ledger, later) = (memory.ledger(), NOW.plus(LEASE * 2));
    for fault in [Fault::ReplyLost(IN_PROGRESS), Fault::Unreachable(IN_PROGRESS)] {
        let mut held = lease(ledger, attempt(&fresh_key(), NOW)).await;
        let end = held.end();
        // The second try is never answered.
        ledger.store().inject(fault);
        ledger.store().inject(Fault::Hangs(IN_PROGRESS));
        let error = ledger.extend(&mut held, later, soon()).await.unwrap_err();
        assert!(matches!(error, StoreError::NoAnswer(_)), "{error:?}");
        // It states no more than is known.
        assert_eq!(held.end(), end);
        assert!(ledger.extend(&mut held, later, soon()).await.unwrap());
        assert_eq!(held.end(), later);
        assert_eq!(complete(ledger, held, Completion::new()).await, Answer::Applied);
    }
}

#[test]
fn a_size_in_memory_is_that_of_key_and_texts() {
    let message = OutgoingMessage::new("q", "b").with_key("k");
    let (attempt, rest) = (
        attempt(&fresh_key(), NOW),
        r#"1[{"queue_url":"q","body":"b","key":"k"}]"#,
    );
    let completion = || Completion::new().data(1.into()).send(message.clone());
    let bytes = attempt.key().record_id().len() + rest.len();
    let ledger = |most| Ledger::new(MemoryStore::<NoWrites>::new().with_max_record_bytes(most));
    assert!(ledger(bytes).seal(attempt.clone(), completion()).is_ok());
    let unsealed = ledger(bytes - 1).seal(attempt, completion()).unwrap_err();
    assert_eq!(unsealed.why, TooLarge::Record { bytes, most: bytes - 1 });
}

#[tokio::test]
async fn a_refused_write_waits_for_a_change_that_has_it() {
    let memory = Memory::new();
    memory
        .ledger()
        .store()
        .inject(Fault::WriteRefused { write: 1, found: None });
    for (count, is_applied) in [(0, true), (1, true), (2, false), (2, true)] {
        let answer = complete(memory.ledger(), attempt(&fresh_key(), NOW), writes(count)).await;
        assert_eq!(answer == Answer::Applied, is_applied, "{count}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_waits_for_a_change_that_it_fits() {
    for (fault, other, fitting) in [(Fault::Conflict, 0, 1), (Fault::RecordConflict, 1, 0)] {
        let memory = Memory::new();
        memory.ledger().store().inject(fault);
        // The one that it fits is sent twice.
        for (count, requests) in [(other, 1), (fitting, 3)] {
            let answer = complete(memory.ledger(), attempt(&fresh_key(), NOW), writes(count)).await;
            assert_eq!(
                (answer, memory.ledger().store().requests()),
                (Answer::Applied, requests)
            );
        }
    }
}

fn writes(count: usize) -> Completion<DynamoDbWrite> {
    (0..count).fold(Completion::new(), |completion, n| {
        completion.write(effect(&format!("{n}")))
    })
}

const IN_PROGRESS: Option<Status> = Some(Status::InProgress);

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_at_its_deadline_is_dropped() {
    let (memory, until) = (Memory::new(), soon());
    memory.ledger().store().inject(Fault::Unreachable(IN_PROGRESS));
    memory.ledger().store().inject(Fault::Hangs(IN_PROGRESS));
    let error = memory.ledger().claim(&attempt(&fresh_key(), NOW), until).await;
    // The timer rounds up to a millisecond.
    assert!(Instant::now() <= until + Duration::from_millis(1));
    assert_eq!(chain(&error.unwrap_err()), "the ledger did not answer: injected");
}

#[tokio::test(start_paused = true)]
async fn faults_without_end_are_repeated_until_the_deadline() {
    let unreachable = "the ledger did not answer: injected";
    let conflict = "transaction conflict at record";
    for (fault, named) in [
        (Fault::Unreachable(IN_PROGRESS), unreachable),
        (Fault::RecordConflict, conflict),
    ] {
        let (memory, until) = (Memory::new(), soon());
        let store = memory.ledger().store();
        (0..1000).for_each(|_| store.inject(fault.clone()));
        let claimed = memory.ledger().claim(&attempt(&fresh_key(), NOW), until).await;
        assert!(chain(&claimed.unwrap_err()).contains(named) && Instant::now() <= until);
        assert!(until - Instant::now() < Duration::from_millis(10));
        assert!((60..300).contains(&store.requests()), "{}", store.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_store_ends_the_attempts_at_once() {
    let (memory, started) = (Memory::new(), Instant::now());
    memory.ledger().store().inject(Fault::Refused(IN_PROGRESS));
    let error = memory.ledger().claim(&attempt(&fresh_key(), NOW), soon()).await;
    assert!(matches!(error, Err(StoreError::Refused(_))), "{error:?}");
    assert_eq!(
        (memory.ledger().store().requests(), started.elapsed()),
        (1, Duration::ZERO)
    );
}
