//! The messages of a queue in memory, and what a receipt may do to them.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Incoming, MessageId, QueueOrder, SourceFault};

/// What a [`MemorySource`](crate::MemorySource) still holds of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its ID.
    pub id: MessageId,
    /// How often it was received from this queue.
    pub receives: u32,
    /// How much longer it is hidden: zero if it is visible, [`Duration::MAX`] if it is hidden until it is settled.
    pub hidden_for: Duration,
}

/// The receipt of one receive of a message from a [`MemorySource`](crate::MemorySource).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryReceipt {
    pub(super) message: MessageId,
    slot: u64,
    /// Counts the receives of the message: only the receipt of the last one is valid.
    receive: u32,
}

#[derive(Debug)]
pub(super) struct Messages {
    order: QueueOrder,
    /// In the order of sending.
    by_slot: BTreeMap<u64, Stored>,
    next_slot: u64,
    deleted: Vec<MessageId>,
}

#[derive(Debug)]
struct Stored {
    message: Incoming,
    receives: u32,
    received_at: Option<Instant>,
    hidden: Hidden,
}

#[derive(Debug, Clone, Copy)]
enum Hidden {
    No,
    Until(Instant),
    UntilSettled,
    /// Until no other message is in flight: then all that are returned become visible, in order, as when a connection is closed.
    Returned,
}

impl Messages {
    pub(super) fn new(order: QueueOrder) -> Self {
        Self {
            order,
            by_slot: BTreeMap::new(),
            next_slot: 0,
            deleted: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, message: Incoming) {
        let stored = Stored {
            message,
            receives: 0,
            received_at: None,
            hidden: Hidden::No,
        };
        self.by_slot.insert(self.next_slot, stored);
        self.next_slot += 1;
    }

    /// Takes at most `max` messages that can be received now.
    pub(super) fn receive(&mut self, now: Instant, max: usize, window: Duration) -> Vec<(Incoming, MemoryReceipt)> {
        if self
            .by_slot
            .values()
            .any(|stored| matches!(stored.hidden, Hidden::Returned))
        {
            return Vec::new();
        }
        let locked = self.locked_groups(now);
        let hidden = match self.order {
            QueueOrder::HeldGroups => Hidden::UntilSettled,
            QueueOrder::Unordered | QueueOrder::Groups => Hidden::Until(now + window),
        };
        let visible = self.by_slot.iter_mut();
        let visible = visible.filter(|(_, stored)| !stored.is_hidden(now) && !locked.contains(&stored.message.group));
        let received = visible.take(max);
        received
            .map(|(slot, stored)| stored.receive(*slot, now, hidden))
            .collect()
    }

    /// The message groups that wait for one of their messages in flight.
    fn locked_groups(&self, now: Instant) -> HashSet<Option<String>> {
        let in_flight = self.by_slot.values();
        let in_flight = in_flight.filter(|stored| self.order == QueueOrder::Groups && stored.is_hidden(now));
        in_flight.map(|stored| stored.message.group.clone()).collect()
    }

    /// When the next message becomes visible by the passing of time.
    pub(super) fn next_visible(&self, now: Instant) -> Option<Instant> {
        let ends = self.by_slot.values().filter_map(|stored| match stored.hidden {
            Hidden::Until(end) if end > now => Some(end),
            _ => None,
        });
        ends.min()
    }

    /// Hides a message for this long from now, but for no longer than `longest` after its receive.
    pub(super) fn hide(
        &mut self,
        receipt: &MemoryReceipt,
        now: Instant,
        delay: Duration,
        longest: Option<Duration>,
    ) -> Result<(), SourceFault> {
        let stored = self.in_flight(receipt, now).ok_or(SourceFault::ReceiptLost)?;
        let bound = longest.and_then(|longest| stored.received_at?.checked_add(longest));
        let end = now.checked_add(delay).into_iter().chain(bound).min();
        stored.hidden = end.map_or(Hidden::UntilSettled, Hidden::Until);
        Ok(())
    }

    /// Makes a message visible at its position, with all that are returned, once no other is in flight. Until then nothing is
    /// received: it would overtake them.
    pub(super) fn requeue(&mut self, receipt: &MemoryReceipt, now: Instant) -> Result<(), SourceFault> {
        let stored = self.in_flight(receipt, now).ok_or(SourceFault::ReceiptLost)?;
        stored.hidden = Hidden::Returned;
        self.release_returned();
        Ok(())
    }

    fn release_returned(&mut self) {
        let mut all = self.by_slot.values();
        if all.any(|stored| matches!(stored.hidden, Hidden::UntilSettled)) {
            return;
        }
        for stored in self.by_slot.values_mut() {
            if matches!(stored.hidden, Hidden::Returned) {
                stored.hidden = Hidden::No;
            }
        }
    }

    /// Deletes a message, as SQS does.
    ///
    /// On a standard queue an old receipt succeeds without deleting, see
    /// [DeleteMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html), and the last one
    /// deletes even after the visibility timeout. A queue with order requires that the message is in flight.
    pub(super) fn delete(&mut self, receipt: &MemoryReceipt, now: Instant) -> Result<(), SourceFault> {
        let Some(stored) = self.by_slot.get(&receipt.slot) else {
            return Ok(());
        };
        let is_last = stored.receives == receipt.receive;
        if self.order.is_ordered() && !(is_last && stored.is_hidden(now)) {
            return Err(SourceFault::ReceiptLost);
        }
        if is_last {
            self.by_slot.remove(&receipt.slot);
            self.deleted.push(receipt.message.clone());
            self.release_returned();
        }
        Ok(())
    }

    /// Makes all messages visible.
    pub(super) fn redeliver(&mut self) {
        for stored in self.by_slot.values_mut() {
            stored.hidden = Hidden::No;
        }
    }

    pub(super) fn left(&self, now: Instant) -> Vec<StoredMessage> {
        self.by_slot.values().map(|stored| stored.describe(now)).collect()
    }

    pub(super) fn deleted(&self) -> &[MessageId] {
        &self.deleted
    }

    /// The message of a receipt, if the receipt is that of its last receive and the message is still hidden.
    fn in_flight(&mut self, receipt: &MemoryReceipt, now: Instant) -> Option<&mut Stored> {
        let stored = self.by_slot.get_mut(&receipt.slot)?;
        (stored.receives == receipt.receive && stored.is_hidden(now)).then_some(stored)
    }
}

impl Stored {
    fn is_hidden(&self, now: Instant) -> bool {
        match self.hidden {
            Hidden::No => false,
            Hidden::Until(end) => now < end,
            Hidden::UntilSettled | Hidden::Returned => true,
        }
    }

    fn receive(&mut self, slot: u64, now: Instant, hidden: Hidden) -> (Incoming, MemoryReceipt) {
        self.receives += 1;
        self.received_at = Some(now);
        self.hidden = hidden;
        let message = Incoming {
            receive_count: self
                .message
                .receive_count
                .saturating_sub(1)
                .saturating_add(self.receives),
            ..self.message.clone()
        };
        let receipt = MemoryReceipt {
            message: message.id.clone(),
            slot,
            receive: self.receives,
        };
        (message, receipt)
    }

    fn describe(&self, now: Instant) -> StoredMessage {
        StoredMessage {
            id: self.message.id.clone(),
            receives: self.receives,
            hidden_for: match self.hidden {
                Hidden::No => Duration::ZERO,
                Hidden::Until(end) => end.saturating_duration_since(now),
                Hidden::UntilSettled | Hidden::Returned => Duration::MAX,
            },
        }
    }
}
