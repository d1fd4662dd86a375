//! Properties of every batch, with faults of ledger and queues.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{Budget, QueueFault};
use idempotency::{Fault, OutgoingMessage, Status};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::common::{
    Action, Batch, DLQ, FIFO, Kind, LABELS, MAIL, Memory, NOW, Queue, STANDARD, Scripted, batch, body, failed_within,
    key, kind, original, with_dead_letter_queue,
};

#[derive(Debug, Clone)]
struct Message {
    id: String,
    group: String,
    /// `None`: the body is malformed.
    action: Option<Action>,
}

impl Message {
    fn body(&self) -> String {
        self.action.map_or_else(|| "{\"never\":".to_owned(), body)
    }

    /// Whether it is done or rejected if there are no faults.
    fn settles(&self) -> bool {
        !matches!(self.action, Some(Action::Retry | Action::Panic | Action::Hang))
    }
}

/// A batch, and the faults while it is processed.
#[derive(Debug, Clone)]
struct Case {
    queue: Queue,
    one_step: bool,
    messages: Vec<Message>,
    ledger_faults: Vec<Fault<()>>,
    queue_faults: Vec<QueueFault>,
}

/// Few IDs, so that some messages are in the batch twice; few groups, so that they have several messages.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let action = prop_oneof![
        8 => Just(Some(Action::Done)),
        2 => Just(Some(Action::Write)),
        2 => Just(Some(Action::Send)),
        2 => Just(Some(Action::WriteAndSend)),
        1 => Just(Some(Action::WriteAndSendInvalid)),
        1 => Just(Some(Action::Retry)),
        2 => Just(Some(Action::Permanent)),
        1 => Just(Some(Action::Panic)),
        1 => Just(Some(Action::Hang)),
        1 => Just(Some(Action::Take(1000))),
        1 => Just(None),
    ];
    let messages = prop::collection::vec((0..3_usize, action), 1..12);
    (messages, prop::collection::vec(any::<prop::sample::Index>(), 0..16)).prop_map(|(messages, picks)| {
        let message = |at: usize| {
            let (group, action) = messages[at];
            Message {
                id: format!("m-{at}"),
                group: format!("g-{group}"),
                action,
            }
        };
        picks
            .into_iter()
            .map(|pick| message(pick.index(messages.len())))
            .collect()
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
        into.clone().prop_map(Fault::Hangs),
        into.prop_map(Fault::Refused),
        Just(Fault::Conflict),
        Just(Fault::RecordConflict),
        Just(Fault::WriteRefused { write: 0, found: None }),
    ]
}

fn queue_fault() -> impl Strategy<Value = QueueFault> {
    prop::sample::select(vec![
        QueueFault::NotSent,
        QueueFault::EntryNotSent(0),
        QueueFault::Refused,
        QueueFault::ReplyLost,
        QueueFault::SendHangs,
    ])
}

fn case() -> impl Strategy<Value = Case> {
    let queue = prop::sample::select(vec![STANDARD, FIFO]);
    let ledger_faults = prop::collection::vec(ledger_fault(), 0..4);
    let queue_faults = prop::collection::vec(queue_fault(), 0..4);
    (queue, any::<bool>(), messages(), ledger_faults, queue_faults).prop_map(
        |(queue, one_step, messages, ledger_faults, queue_faults)| Case {
            queue,
            one_step,
            messages,
            ledger_faults,
            queue_faults,
        },
    )
}

struct Ran {
    /// For each delivery, the IDs of messages that stay.
    reported: Vec<Vec<String>>,
    /// For each delivery, the IDs of messages that were handled.
    handled: Vec<Vec<String>>,
    services: Memory,
}

impl Case {
    /// The same batch without faults.
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

    /// Delivers the batch, and then the messages that stay, `times` times in all.
    fn deliver(&self, times: usize) -> Ran {
        match self.one_step {
            true => self.deliver_to::<kind::OneStep>(times),
            false => self.deliver_to::<kind::Claiming>(times),
        }
    }

    fn deliver_to<K: Kind>(&self, times: usize) -> Ran {
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
            // All earlier leases have ended.
            let now = NOW.plus(Duration::from_secs(60) * u32::try_from(delivery).unwrap());
            let handler = Scripted::<K>::new();
            let batch = self.batch(reported.last());
            // Inside the runtime, where time is paused.
            let delivered = async {
                let budget = Budget::new(now, now.plus(Duration::from_secs(10))).with_reserved(Duration::from_secs(1));
                failed_within(&budget, &handler, &services, batch).await
            };
            reported.push(runtime.block_on(delivered));
            handled.push(handler.effects.handled());
        }
        Ran {
            reported,
            handled,
            services,
        }
    }

    /// The batch of all messages, or of those that stayed.
    fn batch(&self, stayed: Option<&Vec<String>>) -> Batch {
        let again = self
            .messages
            .iter()
            .filter(|message| stayed.is_none_or(|stayed| stayed.contains(&message.id)));
        batch(
            self.queue,
            again.map(|message| (&*message.id, &*message.group, message.body())),
        )
    }
}

fn status(services: &Memory, message: &Message) -> Option<Status> {
    services.store().record(&key(&message.id)).map(|record| record.status)
}

/// The values of an attribute of the messages sent to a queue.
fn attribute_values(services: &Memory, queue: &str, attribute: &str) -> HashSet<String> {
    let messages = services.queues().sent(queue).into_iter();
    messages
        .filter_map(|message| message.attributes.get(attribute)?.string_value.clone())
        .collect()
}

/// The message IDs of the dead letters.
fn dead_lettered(services: &Memory) -> HashSet<String> {
    let dead_letters = services.queues().sent(DLQ);
    dead_letters
        .iter()
        .filter_map(|dead_letter| original(dead_letter).message_id)
        .collect()
}

/// Asserts that the message is completed and its outgoing messages are sent, or rejected and dead-lettered.
fn is_settled(services: &Memory, message: &Message) -> Result<(), TestCaseError> {
    let record = services.store().record(&key(&message.id));
    let Some(record) = record else {
        return Err(TestCaseError::fail(format!("{message:?} has no record")));
    };
    match record.status {
        Status::Completed => {
            let mail: HashSet<_> = attribute_values(services, MAIL, IDEMPOTENCY_KEY);
            let labels = attribute_values(services, LABELS, IDEMPOTENCY_KEY);
            let is_sent = |message: &OutgoingMessage| {
                message
                    .key()
                    .is_some_and(|key| mail.contains(key) || labels.contains(key))
            };
            prop_assert!(
                record.outgoing.iter().all(is_sent),
                "{:?}: {:?}",
                message,
                record.outgoing
            );
            let sends = matches!(message.action, Some(Action::Send | Action::WriteAndSend));
            prop_assert_eq!(record.outgoing.len(), if sends { 3 } else { 0 });
        }
        Status::Rejected => {
            prop_assert!(
                dead_lettered(services).contains(&message.id),
                "{:?} has no dead letter",
                message
            );
        }
        Status::InProgress => prop_assert!(false, "{:?} is in progress", message),
    }
    Ok(())
}

proptest! {
    #[test]
    fn messages_that_stay_are_reported_once_and_in_order(case in case()) {
        let Ran { reported, .. } = case.run();
        let mut expected_order: Vec<_> = Vec::new();
        for message in &case.messages {
            if reported[0].contains(&message.id) && !expected_order.contains(&message.id) {
                expected_order.push(message.id.clone());
            }
        }
        prop_assert_eq!(&reported[0], &expected_order);
    }

    #[test]
    fn an_acknowledged_message_is_settled(case in case()) {
        let Ran { reported, services, .. } = case.run();
        for message in case.messages.iter().filter(|message| !reported[0].contains(&message.id)) {
            is_settled(&services, message)?;
        }
    }

    #[test]
    fn without_faults_exactly_the_failing_messages_stay(case in case()) {
        let case = Case { queue: STANDARD, ..case.without_faults() };
        let Ran { reported, services, .. } = case.run();
        let failing = case.messages.iter().filter(|message| !message.settles());
        let failing: HashSet<_> = failing.map(|message| message.id.clone()).collect();
        prop_assert_eq!(reported[0].iter().cloned().collect::<HashSet<_>>(), failing);
        let rejected = |message: &&Message| {
            matches!(message.action, None | Some(Action::Permanent | Action::WriteAndSendInvalid))
        };
        let rejected: HashSet<_> = case.messages.iter().filter(rejected).map(|message| message.id.clone()).collect();
        prop_assert_eq!(dead_lettered(&services), rejected);
    }

    #[test]
    fn no_message_is_handled_twice_in_a_batch(case in case()) {
        let Ran { handled, .. } = case.run();
        prop_assert_eq!(handled[0].iter().collect::<HashSet<_>>().len(), handled[0].len());
    }

    #[test]
    fn a_fifo_group_is_handled_in_order_up_to_a_failure(case in case()) {
        let case = Case { queue: FIFO, ..case };
        let Ran { reported, handled, .. } = case.run();
        let group_of: HashMap<_, _> = case.messages.iter().map(|message| (&message.id, &message.group)).collect();
        let mut failed_groups = HashSet::new();
        for id in &handled[0] {
            prop_assert!(!failed_groups.contains(group_of[id]), "{} was handled after a failure in its group", id);
            if reported[0].contains(id) {
                failed_groups.insert(group_of[id]);
            }
        }
        let position = |id: &String| case.messages.iter().position(|message| message.id == *id);
        for group in group_of.values() {
            let positions: Vec<_> = handled[0].iter().filter(|id| group_of[id] == *group).map(position).collect();
            prop_assert!(positions.is_sorted(), "{:?} of {:?}", positions, group);
        }
    }

    #[test]
    fn redeliveries_settle_all_messages_and_commit_writes_once(mut case in case()) {
        let failing = case.messages.iter_mut().filter(|message| !message.settles());
        failing.for_each(|message| message.action = Some(Action::Done));
        // One delivery for each fault, and one without.
        let deliveries = case.ledger_faults.len() + case.queue_faults.len() + 1;
        let Ran { reported, services, .. } = case.deliver(deliveries);
        prop_assert_eq!(reported.last().unwrap(), &Vec::<String>::new());
        let mut writing = HashSet::new();
        for message in &case.messages {
            is_settled(&services, message)?;
            if status(&services, message) == Some(Status::Completed)
                && matches!(message.action, Some(Action::Write | Action::WriteAndSend)) {
                writing.insert(&message.id);
            }
        }
        // A write that is already done is not committed.
        let refused = case.ledger_faults.iter().filter(|fault| matches!(fault, Fault::WriteRefused { .. })).count();
        let committed = services.store().committed().len();
        prop_assert!(committed <= writing.len() && committed + refused >= writing.len());
    }
}
