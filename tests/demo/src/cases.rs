//! The sample messages, and the outcome expected of each.

/// A sample file, sent to a queue.
pub(crate) struct Sample {
    pub(crate) queue: &'static str,
    /// Under `events/`.
    pub(crate) file: &'static str,
    /// The outcome expected of its messages.
    pub(crate) expected: Expected,
    /// Whether the queue delivers its messages twice.
    pub(crate) doubled: bool,
}

/// The outcome expected of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Its work is done.
    Done,
    /// Its work can't be done: it is dead-lettered.
    DeadLettered,
    /// One of the file's messages is done, the others are dead-lettered; which one is not determined.
    OneIsDone,
}

const fn order(file: &'static str, expected: Expected, doubled: bool) -> Sample {
    Sample {
        queue: "orders",
        file,
        expected,
        doubled,
    }
}

const fn notification(file: &'static str, expected: Expected, doubled: bool) -> Sample {
    Sample {
        queue: "notifications",
        file,
        expected,
        doubled,
    }
}

const fn reservation(file: &'static str, expected: Expected) -> Sample {
    Sample {
        queue: "reservations.fifo",
        file,
        expected,
        doubled: false,
    }
}

/// The stock of each SKU.
pub(crate) const STOCK: [(&str, i64); 3] = [("tea-black", 10), ("cup-white", 10), ("tea-white", 10)];

pub(crate) static SAMPLES: [Sample; 13] = [
    order("place-order/valid.json", Expected::Done, true),
    order("place-order/two-orders-of-one-customer.json", Expected::Done, true),
    order("place-order/ten-orders.json", Expected::Done, false),
    order("place-order/same-order-sent-twice.json", Expected::Done, false),
    order("place-order/same-id-other-content.json", Expected::OneIsDone, false),
    order("place-order/malformed-body.json", Expected::DeadLettered, false),
    order("place-order/wrong-sum.json", Expected::DeadLettered, false),
    notification("send-notification/valid.json", Expected::Done, true),
    notification("send-notification/three-notifications.json", Expected::Done, false),
    notification("send-notification/malformed-body.json", Expected::DeadLettered, false),
    reservation("reserve-stock/two-groups.json", Expected::Done),
    reservation("reserve-stock/three-of-one-group.json", Expected::Done),
    reservation("reserve-stock/unknown-sku.json", Expected::DeadLettered),
];

/// When the transaction with an order of this file is committed, the function is killed before the reply.
pub(crate) const KILLED_AT: &str = "place-order/ten-orders.json";
