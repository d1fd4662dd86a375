//! What holds for every batch, whatever is in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod common;

use std::collections::{HashMap, HashSet};

use batch::Services;
use common::{Deed, FIFO, Memory, STANDARD, Scripted, body, event, failed, key};
use idempotency::{Fault, Status};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Sent {
    id: String,
    group: String,
    /// `None`: the body is malformed.
    deed: Option<Deed>,
}

impl Sent {
    fn body(&self) -> String {
        self.deed.map_or_else(|| "{\"never\":".to_owned(), body)
    }
}

/// Few IDs, so that some come twice, each time with the same group and body; few groups, so that they fill.
fn batch() -> impl Strategy<Value = Vec<Sent>> {
    let deed = prop_oneof![
        8 => Just(Some(Deed::Succeed)),
        1 => Just(Some(Deed::Write)),
        1 => Just(Some(Deed::Retry)),
        1 => Just(Some(Deed::Permanent)),
        1 => Just(Some(Deed::Panic)),
        1 => Just(Some(Deed::Hang)),
        1 => Just(Some(Deed::TakeASecond)),
        1 => Just(None),
    ];
    let messages = prop::collection::vec((0..3_usize, deed), 1..12);
    (messages, prop::collection::vec(any::<prop::sample::Index>(), 0..16)).prop_map(|(messages, picks)| {
        let sent = |at: usize| {
            let (group, deed) = messages[at];
            Sent {
                id: format!("m-{at}"),
                group: format!("g-{group}"),
                deed,
            }
        };
        picks.into_iter().map(|pick| sent(pick.index(messages.len()))).collect()
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    let into = prop_oneof![
        Just(Some(Status::InProgress)),
        Just(Some(Status::Completed)),
        Just(Some(Status::Rejected)),
        Just(None)
    ];
    prop_oneof![
        into.clone().prop_map(Fault::Unreachable),
        into.clone().prop_map(Fault::ReplyLost),
        into.prop_map(Fault::Hangs),
        Just(Fault::Conflict),
        Just(Fault::RecordConflict),
        Just(Fault::WriteRefused { write: 0, item: None }),
    ]
}

struct Ran {
    reported: Vec<String>,
    handled: Vec<String>,
    services: Memory,
}

/// In one mode or the other, as the batch has it.
fn run(queue: &str, sent: &[Sent], faults: &[Fault]) -> Ran {
    match sent.len() % 2 {
        0 => run_in_mode::<'c'>(queue, sent, faults),
        _ => run_in_mode::<'o'>(queue, sent, faults),
    }
}

fn run_in_mode<const MODE: char>(queue: &str, sent: &[Sent], faults: &[Fault]) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (handler, services) = (Scripted::<MODE>::new(), Services::in_memory());
    faults.iter().for_each(|fault| services.ledger().inject(fault.clone()));
    let event = event(queue, sent.iter().map(|sent| (&*sent.id, &*sent.group, sent.body())));
    let reported = runtime.block_on(failed(&handler, &services, event));
    Ran {
        reported,
        handled: handler.handled(),
        services,
    }
}

fn queue() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(STANDARD), Just(FIFO)]
}

proptest! {
    #[test]
    fn the_response_names_only_messages_of_the_batch_each_once_and_in_order(
        queue in queue(), sent in batch(), faults in prop::collection::vec(fault(), 0..4)
    ) {
        let Ran { reported, .. } = run(queue, &sent, &faults);
        let mut expected_order: Vec<_> = Vec::new();
        for sent in &sent {
            if reported.contains(&sent.id) && !expected_order.contains(&sent.id) {
                expected_order.push(sent.id.clone());
            }
        }
        prop_assert_eq!(reported, expected_order);
    }

    #[test]
    fn a_message_that_is_not_reported_is_recorded_as_completed(
        queue in queue(), sent in batch(), faults in prop::collection::vec(fault(), 0..4)
    ) {
        let Ran { reported, services, .. } = run(queue, &sent, &faults);
        for sent in sent.iter().filter(|sent| !reported.contains(&sent.id)) {
            let status = services.ledger().record(&key(&sent.id)).map(|record| record.status);
            prop_assert_eq!(status, Some(Status::Completed), "{:?}", sent);
        }
    }

    #[test]
    fn on_a_standard_queue_without_faults_exactly_the_failing_messages_are_reported(sent in batch()) {
        let Ran { reported, .. } = run(STANDARD, &sent, &[]);
        let succeeds = |sent: &&Sent| matches!(sent.deed, Some(Deed::Succeed | Deed::Write | Deed::TakeASecond));
        let failing: HashSet<_> = sent.iter().filter(|sent| !succeeds(sent)).map(|sent| sent.id.clone()).collect();
        prop_assert_eq!(reported.into_iter().collect::<HashSet<_>>(), failing);
    }

    #[test]
    fn no_message_is_handled_twice_in_a_batch(
        queue in queue(), sent in batch(), faults in prop::collection::vec(fault(), 0..4)
    ) {
        let Ran { handled, .. } = run(queue, &sent, &faults);
        prop_assert_eq!(handled.iter().collect::<HashSet<_>>().len(), handled.len());
    }

    #[test]
    fn a_fifo_group_runs_nothing_after_a_failed_message(
        sent in batch(), faults in prop::collection::vec(fault(), 0..4)
    ) {
        let Ran { reported, handled, .. } = run(FIFO, &sent, &faults);
        let group_of: HashMap<_, _> = sent.iter().map(|sent| (&sent.id, &sent.group)).collect();
        let mut failed_groups = HashSet::new();
        for id in &handled {
            prop_assert!(!failed_groups.contains(group_of[id]), "{} was handled after a failure in its group", id);
            if reported.contains(id) {
                failed_groups.insert(group_of[id]);
            }
        }
    }
}
