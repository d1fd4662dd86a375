//! Who appears: the sample messages, and what is to become of each.

/// A sample file, sent to a queue.
pub(super) struct Sample {
    pub(super) queue: &'static str,
    /// Under `events/`.
    pub(super) file: &'static str,
    /// What is to become of its messages.
    pub(super) fate: Fate,
    /// Whether the queue delivers its messages twice.
    pub(super) doubled: bool,
}

/// What is to become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its work is done.
    Done,
    /// Its work can't be done: it ends in the dead-letter queue.
    DeadLettered,
    /// One of the file's messages is done, the others end in the dead-letter queue: which, is a matter of luck.
    OneIsDone,
}

const fn order(file: &'static str, fate: Fate, doubled: bool) -> Sample {
    Sample {
        queue: "orders",
        file,
        fate,
        doubled,
    }
}

const fn notification(file: &'static str, fate: Fate, doubled: bool) -> Sample {
    Sample {
        queue: "notifications",
        file,
        fate,
        doubled,
    }
}

const fn reservation(file: &'static str, fate: Fate) -> Sample {
    Sample {
        queue: "reservations.fifo",
        file,
        fate,
        doubled: false,
    }
}

/// What is in stock of each SKU that there is.
pub(super) const STOCK: [(&str, i64); 3] = [("tea-black", 10), ("cup-white", 10), ("tea-white", 10)];

pub(super) static SAMPLES: [Sample; 13] = [
    order("place-order/valid.json", Fate::Done, true),
    order("place-order/two-orders-of-one-customer.json", Fate::Done, true),
    order("place-order/ten-orders.json", Fate::Done, false),
    order("place-order/same-order-sent-twice.json", Fate::Done, false),
    order("place-order/same-id-other-content.json", Fate::OneIsDone, false),
    order("place-order/malformed-body.json", Fate::DeadLettered, false),
    order("place-order/wrong-sum.json", Fate::DeadLettered, false),
    notification("send-notification/valid.json", Fate::Done, true),
    notification("send-notification/three-notifications.json", Fate::Done, false),
    notification("send-notification/malformed-body.json", Fate::DeadLettered, false),
    reservation("reserve-stock/two-groups.json", Fate::Done),
    reservation("reserve-stock/three-of-one-group.json", Fate::Done),
    reservation("reserve-stock/unknown-sku.json", Fate::DeadLettered),
];

/// When the transaction with an order of this file is committed, the function is killed before it hears of it.
pub(super) const KILLED_AT: &str = "place-order/ten-orders.json";
