//! The simulated queues that messages are sent to, reached through the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use consumer::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL, Original};
use consumer::{Attribute, Limits, MemoryQueues, QueueError, QueueMessage, Queues};
use idempotency::fingerprint;

use crate::faults::Service;
use crate::mutants;
use crate::network::{Reply, request};
use crate::plan::{Content, Function, KeyOf, script};
use crate::queue::Message;
use crate::world::{State, World};

/// The queues, as one worker reaches them.
pub(crate) struct SimulatedQueues {
    pub(crate) world: Arc<World>,
    pub(crate) worker: usize,
}

impl Queues for SimulatedQueues {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let mutant = self.world.state().plan.mutant;
        let (to, sent) = (queue.to_owned(), mutants::sent(mutant, &self.world, messages));
        let worker = self.worker;
        let reply = request(&self.world, worker, Service::Queue, move |state| {
            sent.iter().for_each(|message| state.accept(worker, &to, message));
        });
        let unsent = match reply.await {
            Reply::Answer(()) => return Ok(()),
            _ if mutants::reports_unsent_as_sent(mutant) => return Ok(()),
            Reply::Refused => Vec::new(),
            Reply::Throttled | Reply::Nothing => (0..messages.len()).collect(),
            Reply::Partial => {
                let mut state = self.world.state();
                let (unsent, sent): (Vec<_>, Vec<_>) = (0..messages.len()).partition(|_| state.rng.bool());
                sent.iter().for_each(|at| state.accept(worker, queue, &messages[*at]));
                if unsent.is_empty() {
                    return Ok(());
                }
                unsent
            }
        };
        Err(QueueError {
            unsent,
            ..QueueError::refused(queue, "simulated")
        })
    }

    fn limits(&self, queue: &str) -> Limits {
        MemoryQueues::new().limits(queue)
    }
}

/// The text of an attribute.
pub(crate) fn text<'a>(attributes: &'a BTreeMap<String, Attribute>, name: &str) -> Option<&'a str> {
    attributes.get(name)?.string_value.as_deref()
}

impl State {
    /// A queue accepts a message of a worker's.
    fn accept(&mut self, worker: usize, queue: &str, message: &QueueMessage) {
        let mut functions = self.plan.functions.iter();
        if let Some(rejects) = functions.find(|it| it.dead_letters == queue).cloned() {
            let original = text(&message.attributes, ORIGINAL).and_then(|json| Original::from_json(json).ok());
            let id = original.and_then(|original| original.message_id).unwrap_or_default();
            self.note(format_args!("{queue}: dead letter of {id}"));
            self.check_dead_letter(worker, &rejects, &id, message);
            self.facts.dead_letters.insert(id);
            return;
        }
        let key = text(&message.attributes, IDEMPOTENCY_KEY).unwrap_or_default();
        self.check_sent(&message.body, key);
        let function = self
            .plan
            .functions
            .iter()
            .find(|function| function.queue == queue)
            .cloned();
        let Some(function) = function else {
            return self.note(format_args!("{queue}: there is no such queue"));
        };
        self.enqueue(&function, message);
    }

    /// Adds a message to the queue of a function, unless it is a copy that the queue recognises.
    pub(crate) fn enqueue(&mut self, function: &Function, message: &QueueMessage) {
        let (now, queue) = (self.now(), function.queue);
        let there = self.queues.get_mut(queue).unwrap();
        if !there.accepts(now, message.deduplication_id.as_deref()) {
            self.count("queue: copy dropped");
            return self.note(format_args!("{queue}: copy dropped of {}", message.body));
        }
        self.messages += 1;
        let id = format!("m{}", self.messages);
        let mut added = Message {
            attributes: message.attributes.clone(),
            group: message.group.clone(),
            deduplication_id: message.deduplication_id.clone(),
            content: serde_json::from_str(&message.body).ok(),
            script: script(&mut self.rng),
            ..Message::new(id, message.body.clone(), now)
        };
        (added.record, added.fingerprint) = identity(function, &added);
        self.note(format_args!(
            "{queue}: {} {} key {} group {:?} script {:?}",
            added.id, added.body, added.record, added.group, added.script
        ));
        self.queues.get_mut(queue).unwrap().messages.push(added);
    }
}

/// The ID of the record of a message's key, and the fingerprint of its payload unless the queue made the key.
fn identity(function: &Function, message: &Message) -> (String, Option<String>) {
    let stated = text(&message.attributes, IDEMPOTENCY_KEY);
    let key = match (&message.content, stated) {
        (_, Some(key)) => Some(key.to_owned()),
        (
            Some(Content {
                key: KeyOf::Business,
                order,
                ..
            }),
            _,
        ) => Some(order.clone()),
        (
            Some(Content {
                key: KeyOf::Deduplication,
                ..
            }),
            _,
        ) => {
            let (group, id) = (message.group.as_deref(), message.deduplication_id.as_deref());
            group.zip(id).map(|(group, id)| format!("{group} {id}"))
        }
        _ => None,
    };
    let counts = key.is_some().then(|| fingerprint(&message.content).unwrap());
    (
        format!("{}#{}", function.namespace, key.unwrap_or_else(|| message.id.clone())),
        counts,
    )
}
