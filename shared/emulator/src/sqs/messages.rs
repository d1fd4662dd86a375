//! The messages of one queue, indexed so that no request reads all of them: a queue may hold a million.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::message::{MessageState, Stored};

/// Messages by slot, a number that grows with every message stored: the order of arrival.
///
/// A message is changed only through this type, which keeps the indexes right.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    by_slot: BTreeMap<u64, Stored>,
    by_age: BTreeSet<(Instant, u64)>,
    /// Visible since the last [`Messages::advance`].
    visible: BTreeSet<u64>,
    /// By the time at which they become visible.
    hidden: BTreeSet<(Instant, u64)>,
    /// Only of messages that have a group.
    groups: HashMap<String, Group>,
    /// The first message of each group that is not held back.
    ready: BTreeSet<u64>,
}

/// A message group of a FIFO queue.
#[derive(Debug, Default)]
struct Group {
    slots: BTreeSet<u64>,
    in_flight: BTreeSet<u64>,
    /// Its entry in [`Messages::ready`].
    ready: Option<u64>,
}

impl Messages {
    pub(crate) fn get(&self, slot: u64) -> Option<&Stored> {
        self.by_slot.get(&slot)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Stored> {
        self.by_slot.values()
    }

    pub(crate) fn insert(&mut self, slot: u64, stored: Stored) {
        self.by_age.insert((stored.enqueued_at, slot));
        self.hidden.insert((stored.visible_at, slot));
        if let Some(name) = &stored.message.group {
            let group = self.groups.entry(name.clone()).or_default();
            group.slots.insert(slot);
            if stored.receives > 0 {
                group.in_flight.insert(slot);
            }
        }
        let group = stored.message.group.clone();
        self.by_slot.insert(slot, stored);
        self.order(group.as_deref());
    }

    pub(crate) fn remove(&mut self, slot: u64) -> Option<Stored> {
        let stored = self.by_slot.remove(&slot)?;
        self.by_age.remove(&(stored.enqueued_at, slot));
        self.hidden.remove(&(stored.visible_at, slot));
        self.visible.remove(&slot);
        if let Some(group) = self.group_of(&stored) {
            group.slots.remove(&slot);
            group.in_flight.remove(&slot);
        }
        self.order(stored.message.group.as_deref());
        Some(stored)
    }

    pub(crate) fn update(&mut self, slot: u64, change: impl FnOnce(&mut Stored)) {
        if let Some(mut stored) = self.remove(slot) {
            change(&mut stored);
            self.insert(slot, stored);
        }
    }

    pub(crate) fn update_all(&mut self, mut change: impl FnMut(&mut Stored)) {
        for (slot, mut stored) in std::mem::take(self).by_slot {
            change(&mut stored);
            self.insert(slot, stored);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drops what is older than the retention period, and makes visible what is due.
    pub(crate) fn advance(&mut self, now: Instant, retention: Duration) {
        while let Some((_, slot)) = self.by_age.first().copied().filter(|(at, _)| *at + retention <= now) {
            self.remove(slot);
        }
        while let Some((at, slot)) = self.hidden.first().copied().filter(|(at, _)| *at <= now) {
            self.hidden.remove(&(at, slot));
            self.visible.insert(slot);
            let Some(stored) = self.by_slot.get(&slot) else {
                continue;
            };
            let name = stored.message.group.clone();
            if let Some(group) = name.as_ref().and_then(|name| self.groups.get_mut(name)) {
                group.in_flight.remove(&slot);
            }
            self.order(name.as_deref());
        }
    }

    /// The slots that a receive may take, in the order of arrival.
    pub(crate) fn receivable(&self) -> impl Iterator<Item = u64> {
        self.visible.iter().copied()
    }

    /// The same on a FIFO queue. A group is held back while any of its messages is in flight, and a receive takes as many as it
    /// can of one group before it turns to the next:
    /// [FIFO delivery logic](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html).
    pub(crate) fn receivable_by_group(&self) -> impl Iterator<Item = u64> {
        let group = |first: &u64| self.groups.get(self.get(*first)?.message.group.as_ref()?);
        let groups = self.ready.iter().filter_map(group);
        // A message that is still delayed holds back those behind it.
        groups.flat_map(|group| {
            group
                .slots
                .iter()
                .copied()
                .take_while(|slot| self.visible.contains(slot))
        })
    }

    pub(crate) fn count(&self, state: MessageState, now: Instant) -> usize {
        let hidden = self.hidden.iter().filter_map(|(_, slot)| self.by_slot.get(slot));
        match state {
            MessageState::Visible => self.visible.len(),
            state => hidden.filter(|stored| stored.state(now) == state).count(),
        }
    }

    /// When time alone could make something receivable: the end of a delay, of a visibility timeout, or of the retention of
    /// a message that holds back its group.
    pub(crate) fn next_change(&self, retention: Duration) -> Option<Instant> {
        let visible = self.hidden.first().map(|(at, _)| *at);
        let expired = self.by_age.first().map(|(at, _)| *at + retention);
        visible.into_iter().chain(expired).min()
    }

    fn group_of(&mut self, stored: &Stored) -> Option<&mut Group> {
        self.groups.get_mut(stored.message.group.as_ref()?)
    }

    /// Puts a group, after a change of its messages, where a receive finds it.
    fn order(&mut self, group: Option<&str>) {
        let Some((name, group)) = group.and_then(|name| Some((name, self.groups.get_mut(name)?))) else {
            return;
        };
        if let Some(first) = group.ready.take() {
            self.ready.remove(&first);
        }
        let first = group.slots.first().copied();
        group.ready = first.filter(|first| group.in_flight.is_empty() && self.visible.contains(first));
        self.ready.extend(group.ready);
        if group.slots.is_empty() {
            self.groups.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::sqs::attributes::Attributes;
    use crate::sqs::message::Message;

    const RETENTION: Duration = Duration::from_secs(60);

    #[derive(Debug, Clone)]
    enum Step {
        /// Into a group, with a delay in seconds.
        Insert(u8, u64),
        Remove(u64),
        /// Hides a visible message for so many seconds.
        Receive(u64, u64),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3_u8, 0..3_u64).prop_map(|(group, delay)| Step::Insert(group, delay)),
            (0..30_u64).prop_map(Step::Remove),
            (0..30_u64, 0..5_u64).prop_map(|(slot, hidden)| Step::Receive(slot, hidden)),
            (1..25_u64).prop_map(Step::Wait),
        ]
    }

    fn stored(group: u8, now: Instant, delay: u64) -> Stored {
        let message = Message {
            id: String::new(),
            body: String::new(),
            attributes: Attributes::default(),
            trace_header: None,
            group: Some(group.to_string()),
            deduplication_id: None,
            sequence_number: None,
            sent_at: now,
        };
        Stored::new(Arc::new(message), now, Duration::from_secs(delay))
    }

    /// What the rules say, from a look at every message.
    fn receivable_by_group(messages: &Messages, now: Instant) -> Vec<u64> {
        let group = |stored: &Stored| stored.message.group.clone();
        let in_flight = messages
            .values()
            .filter(|stored| stored.state(now) == MessageState::InFlight);
        let mut held: HashSet<_> = in_flight.map(group).collect();
        let (mut first_of, mut slots) = (HashMap::new(), Vec::new());
        for (slot, stored) in &messages.by_slot {
            if stored.state(now) != MessageState::Visible {
                held.insert(group(stored));
            } else if !held.contains(&group(stored)) {
                slots.push((*first_of.entry(group(stored)).or_insert(*slot), *slot));
            }
        }
        slots.sort_unstable();
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    proptest! {
        #[test]
        fn indexes_agree_with_a_look_at_every_message(steps in prop::collection::vec(step(), 1..60)) {
            let (mut messages, mut now) = (Messages::default(), Instant::now());
            for (slot, step) in (0..).zip(steps) {
                match step {
                    Step::Insert(group, delay) => messages.insert(slot, stored(group, now, delay)),
                    Step::Remove(slot) => drop(messages.remove(slot)),
                    Step::Receive(slot, hidden) => {
                        messages.update(slot, |stored| stored.receive(now, Duration::from_secs(hidden)));
                    }
                    Step::Wait(seconds) => now += Duration::from_secs(seconds),
                }
                messages.advance(now, RETENTION);
                prop_assert!(messages.values().all(|stored| now < stored.enqueued_at + RETENTION));
                let visible = messages.by_slot.iter().filter(|(_, stored)| stored.state(now) == MessageState::Visible);
                let visible: Vec<_> = visible.map(|(slot, _)| *slot).collect();
                prop_assert_eq!(messages.receivable().collect::<Vec<_>>(), visible);
                let by_group = receivable_by_group(&messages, now);
                prop_assert_eq!(messages.receivable_by_group().collect::<Vec<_>>(), by_group);
                let instants = messages.values().flat_map(|stored| [stored.visible_at, stored.enqueued_at + RETENTION]);
                prop_assert_eq!(messages.next_change(RETENTION), instants.filter(|at| *at > now).min());
                for state in [MessageState::Visible, MessageState::InFlight, MessageState::Delayed] {
                    let counted = messages.values().filter(|stored| stored.state(now) == state).count();
                    prop_assert_eq!(messages.count(state, now), counted);
                }
            }
        }
    }
}
