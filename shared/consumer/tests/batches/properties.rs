//! What holds for every batch, whatever is in it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use consumer::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL_MESSAGE_ID};
use consumer::{Budget, QueueFault};
use idempotency::{Fault, OutgoingMessage, Status};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::common::{
    Batch, DEAD, Deed, FIFO, LABELS, MAIL, Memory, NOW, Queue, STANDARD, Scripted, body, event, failed_within, key,
    with_dead_letter_queue,
};

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

    /// Whether it is done, or found impossible, wherever nothing goes wrong.
    fn ends(&self) -> bool {
        !matches!(self.deed, Some(Deed::Retry | Deed::Panic | Deed::Hang))
    }
}

/// A batch, and what goes wrong.
#[derive(Debug, Clone)]
struct Case {
    queue: Queue,
    one_step: bool,
    sent: Vec<Sent>,
    ledger_faults: Vec<Fault<()>>,
    queue_faults: Vec<QueueFault>,
}

/// Few IDs, so that some come twice, each time with the same group and body; few groups, so that they fill.
fn batch() -> impl Strategy<Value = Vec<Sent>> {
    let deed = prop_oneof![
        8 => Just(Some(Deed::Succeed)),
        2 => Just(Some(Deed::Write)),
        2 => Just(Some(Deed::Send)),
        2 => Just(Some(Deed::WriteAndSend)),
        1 => Just(Some(Deed::WriteAndSendRubbish)),
        1 => Just(Some(Deed::Retry)),
        2 => Just(Some(Deed::Permanent)),
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

fn ledger_fault() -> impl Strategy<Value = Fault<()>> {
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
        Just(Fault::WriteRefused { write: 0, found: None }),
    ]
}

fn queue_fault() -> impl Strategy<Value = QueueFault> {
    prop::sample::select(vec![QueueFault::NotSent, QueueFault::ReplyLost, QueueFault::SendHangs])
}

fn case() -> impl Strategy<Value = Case> {
    let queue = prop::sample::select(vec![STANDARD, FIFO]);
    let ledger_faults = prop::collection::vec(ledger_fault(), 0..4);
    let queue_faults = prop::collection::vec(queue_fault(), 0..4);
    (queue, any::<bool>(), batch(), ledger_faults, queue_faults).prop_map(
        |(queue, one_step, sent, ledger_faults, queue_faults)| Case {
            queue,
            one_step,
            sent,
            ledger_faults,
            queue_faults,
        },
    )
}

struct Ran {
    /// What each delivery reported.
    reported: Vec<Vec<String>>,
    /// What each delivery handled.
    handled: Vec<Vec<String>>,
    services: Memory,
}

impl Case {
    /// The same, and nothing goes wrong.
    fn without_faults(self) -> Self {
        Self {
            ledger_faults: Vec::new(),
            queue_faults: Vec::new(),
            ..self
        }
    }

    fn run(&self) -> Ran {
        self.deliver(1)
    }

    /// Delivers the batch, and then so often what came back.
    fn deliver(&self, times: usize) -> Ran {
        match self.one_step {
            true => self.deliver_in_mode::<'o'>(times),
            false => self.deliver_in_mode::<'c'>(times),
        }
    }

    fn deliver_in_mode<const MODE: char>(&self, times: usize) -> Ran {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let services = with_dead_letter_queue();
        self.ledger_faults
            .iter()
            .for_each(|fault| services.store().inject(fault.clone()));
        self.queue_faults
            .iter()
            .for_each(|fault| services.queues().inject(*fault));
        let (mut reported, mut handled) = (Vec::new(), Vec::new());
        for delivery in 0..times {
            // Late enough for all earlier leases to have ended.
            let now = NOW.plus(Duration::from_secs(60) * u32::try_from(delivery).unwrap());
            let handler = Scripted::<MODE>::new();
            let event = self.event(reported.last());
            // Inside, where time is paused.
            let delivered = async {
                let budget = Budget::new(now, now.plus(Duration::from_secs(10))).with_reserved(Duration::from_secs(1));
                failed_within(&budget, &handler, &services, event).await
            };
            reported.push(runtime.block_on(delivered));
            handled.push(handler.handled());
        }
        Ran {
            reported,
            handled,
            services,
        }
    }

    /// Of all messages, or those that came back.
    fn event(&self, back: Option<&Vec<String>>) -> Batch {
        let again = self
            .sent
            .iter()
            .filter(|sent| back.is_none_or(|back| back.contains(&sent.id)));
        event(self.queue, again.map(|sent| (&*sent.id, &*sent.group, sent.body())))
    }
}

fn status(services: &Memory, sent: &Sent) -> Option<Status> {
    services.store().record(&key(&sent.id)).map(|record| record.status)
}

/// The values of an attribute of what a queue was sent.
fn told(services: &Memory, queue: &str, attribute: &str) -> HashSet<String> {
    let messages = services.queues().sent(queue).into_iter();
    messages
        .filter_map(|message| message.attributes.get(attribute)?.string_value.clone())
        .collect()
}

/// Its record says what became of it, and whoever had to be told was told.
fn is_settled(services: &Memory, sent: &Sent) -> Result<(), TestCaseError> {
    let record = services.store().record(&key(&sent.id));
    let Some(record) = record else {
        return Err(TestCaseError::fail(format!("{sent:?} has no record")));
    };
    match record.status {
        Status::Completed => {
            let mail: HashSet<_> = told(services, MAIL, IDEMPOTENCY_KEY);
            let labels = told(services, LABELS, IDEMPOTENCY_KEY);
            let told = |message: &OutgoingMessage| {
                message
                    .key()
                    .is_some_and(|key| mail.contains(key) || labels.contains(key))
            };
            prop_assert!(record.outgoing.iter().all(told), "{:?}: {:?}", sent, record.outgoing);
            let sends = matches!(sent.deed, Some(Deed::Send | Deed::WriteAndSend));
            prop_assert_eq!(record.outgoing.len(), if sends { 3 } else { 0 });
        }
        Status::Rejected => {
            prop_assert!(
                told(services, DEAD, ORIGINAL_MESSAGE_ID).contains(&sent.id),
                "{:?} has no letter",
                sent
            );
        }
        Status::InProgress => prop_assert!(false, "{:?} is in progress", sent),
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_response_names_only_messages_of_the_batch_each_once_and_in_order(case in case()) {
        let Ran { reported, .. } = case.run();
        let mut expected_order: Vec<_> = Vec::new();
        for sent in &case.sent {
            if reported[0].contains(&sent.id) && !expected_order.contains(&sent.id) {
                expected_order.push(sent.id.clone());
            }
        }
        prop_assert_eq!(&reported[0], &expected_order);
    }

    #[test]
    fn a_message_that_is_not_reported_is_done_and_what_it_sends_is_sent_or_it_is_rejected_and_handed_over(case in case()) {
        let Ran { reported, services, .. } = case.run();
        for sent in case.sent.iter().filter(|sent| !reported[0].contains(&sent.id)) {
            is_settled(&services, sent)?;
        }
    }

    #[test]
    fn on_a_standard_queue_without_faults_exactly_the_failing_messages_are_reported(case in case()) {
        let case = Case { queue: STANDARD, ..case.without_faults() };
        let Ran { reported, services, .. } = case.run();
        let failing: HashSet<_> = case.sent.iter().filter(|sent| !sent.ends()).map(|sent| sent.id.clone()).collect();
        prop_assert_eq!(reported[0].iter().cloned().collect::<HashSet<_>>(), failing);
        let rejected = |sent: &&Sent| matches!(sent.deed, None | Some(Deed::Permanent | Deed::WriteAndSendRubbish));
        let rejected: HashSet<_> = case.sent.iter().filter(rejected).map(|sent| sent.id.clone()).collect();
        prop_assert_eq!(told(&services, DEAD, ORIGINAL_MESSAGE_ID), rejected);
    }

    #[test]
    fn no_message_is_handled_twice_in_a_batch(case in case()) {
        let Ran { handled, .. } = case.run();
        prop_assert_eq!(handled[0].iter().collect::<HashSet<_>>().len(), handled[0].len());
    }

    #[test]
    fn a_fifo_group_is_handled_in_order_and_runs_nothing_after_a_message_that_goes_back(case in case()) {
        let case = Case { queue: FIFO, ..case };
        let Ran { reported, handled, .. } = case.run();
        let group_of: HashMap<_, _> = case.sent.iter().map(|sent| (&sent.id, &sent.group)).collect();
        let mut failed_groups = HashSet::new();
        for id in &handled[0] {
            prop_assert!(!failed_groups.contains(group_of[id]), "{} was handled after a failure in its group", id);
            if reported[0].contains(id) {
                failed_groups.insert(group_of[id]);
            }
        }
        let position = |id: &String| case.sent.iter().position(|sent| sent.id == *id);
        for group in group_of.values() {
            let positions: Vec<_> = handled[0].iter().filter(|id| group_of[id] == *group).map(position).collect();
            prop_assert!(positions.is_sorted(), "{:?} of {:?}", positions, group);
        }
    }

    #[test]
    fn what_comes_back_is_delivered_until_all_is_settled_and_each_write_happens_once(mut case in case()) {
        case.sent.iter_mut().filter(|sent| !sent.ends()).for_each(|sent| sent.deed = Some(Deed::Succeed));
        // One delivery for each fault, and one without.
        let deliveries = case.ledger_faults.len() + case.queue_faults.len() + 1;
        let Ran { reported, services, .. } = case.deliver(deliveries);
        prop_assert_eq!(reported.last().unwrap(), &Vec::<String>::new());
        let mut writing = HashSet::new();
        for sent in &case.sent {
            is_settled(&services, sent)?;
            if status(&services, sent) == Some(Status::Completed)
                && matches!(sent.deed, Some(Deed::Write | Deed::WriteAndSend)) {
                writing.insert(&sent.id);
            }
        }
        // A write whose effect was there already is left out.
        let refused = case.ledger_faults.iter().filter(|fault| matches!(fault, Fault::WriteRefused { .. })).count();
        let committed = services.store().committed().len();
        prop_assert!(committed <= writing.len() && committed + refused >= writing.len());
    }
}
