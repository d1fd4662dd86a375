//! What a history consists of: queues, workers, messages and faults, all drawn from its seed.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::faults::{Fault, Rates};
use crate::mutants::Mutant;

/// What the handler of a queue does with one message at one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Succeed,
    Retry,
    RetryAfter,
    Permanent,
    Panic,
    /// It takes longer than the time budget.
    Overrun,
    /// The store has no room for its result.
    TooLarge,
    /// An outgoing message that no queue accepts.
    Unsendable,
    /// A write is refused, because its effect exists.
    AlreadyDone,
    /// A write is refused, and may be accepted later.
    RefusedNow,
    /// A write is refused for good.
    RefusedForGood,
}

/// The actions that a message may have before it succeeds.
const PASSING: [Action; 6] = [
    Action::Retry,
    Action::RetryAfter,
    Action::Panic,
    Action::Overrun,
    Action::AlreadyDone,
    Action::RefusedNow,
];
const FINAL: [Action; 4] = [
    Action::Permanent,
    Action::TooLarge,
    Action::Unsendable,
    Action::RefusedForGood,
];

impl Action {
    pub(crate) const ALL: [(Self, &'static str); 11] = [
        (Self::Succeed, "handler: succeeds"),
        (Self::Retry, "handler: retry"),
        (Self::RetryAfter, "handler: retry after"),
        (Self::Permanent, "handler: permanent failure"),
        (Self::Panic, "handler: panic"),
        (Self::Overrun, "handler: longer than the budget"),
        (Self::TooLarge, "handler: result too large"),
        (Self::Unsendable, "handler: unsendable message"),
        (Self::AlreadyDone, "handler: write already done"),
        (Self::RefusedNow, "handler: write refused"),
        (Self::RefusedForGood, "handler: write refused for good"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The actions at the attempts of a message; after them it succeeds.
pub(crate) fn script(rng: &mut Rng) -> Vec<Action> {
    let mut script: Vec<_> = (0..[0, 0, 0, 1, 1, 2, 3][rng.usize(..7)])
        .map(|_| PASSING[rng.usize(..PASSING.len())])
        .collect();
    if rng.u8(..10) == 0 {
        script.extend([FINAL[rng.usize(..FINAL.len())]; 8]);
    }
    script
}

/// Where the key of a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyOf {
    Message,
    Business,
    Deduplication,
}

/// The body of every message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The order; in a confirmation the key of the order's work.
    pub(crate) order: String,
    /// Two variants of an order are two payloads.
    pub(crate) variant: u32,
    pub(crate) key: KeyOf,
    /// How many confirmations are sent for it; none for a confirmation.
    pub(crate) sends: u32,
    /// Of a confirmation: which one.
    pub(crate) position: u32,
    /// Whether its confirmations state keys of their own.
    pub(crate) stated: bool,
}

/// A message that the producer sends.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// `None`: its body is malformed.
    pub(crate) content: Option<Content>,
    pub(crate) group: u32,
    pub(crate) deduplication_id: String,
    pub(crate) at: Duration,
}

/// The kinds of handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Claiming,
    /// Claiming, with a time limit of its own.
    Limited,
    /// Claiming, on an ordered queue whose groups wait behind a rejected message.
    Holding,
    OneStep,
    Natural,
}

/// The kinds of handlers in the report.
pub(crate) const MODES: [&str; 5] = [
    "mode: claim, then complete",
    "mode: claim, then complete, with a time limit",
    "mode: claim, then complete, groups held",
    "mode: one step",
    "mode: natural",
];

/// A queue and what processes its messages.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    pub(crate) queue: &'static str,
    pub(crate) dead_letters: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) ordered: bool,
    pub(crate) kind: Kind,
    pub(crate) workers: usize,
    pub(crate) budget: Duration,
    pub(crate) visibility: Duration,
    pub(crate) max_receives: Option<u32>,
    /// Whether its workers know that limit.
    pub(crate) states_limit: bool,
}

/// A history before it happens.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Orders and confirmations.
    pub(crate) functions: [Function; 2],
    pub(crate) orders: Vec<Order>,
    pub(crate) rates: Rates,
    /// No fault begins later.
    pub(crate) calm_at: Duration,
    /// Clocks are further apart than the margin: promise 1 is not made, all others are.
    pub(crate) beyond: bool,
    /// For how long records are kept, if it is so short that some expire while a copy of their message is still in its queue.
    pub(crate) retention: Option<Duration>,
    pub(crate) mutant: Option<Mutant>,
}

pub(crate) const NAMESPACES: [&str; 2] = ["place-order", "confirm-order"];

impl Plan {
    pub(crate) fn draw(seed: u64, mutant: Option<Mutant>) -> (Self, Rng) {
        // The generators of consecutive seeds begin alike.
        let mut rng = Rng::with_seed(Rng::with_seed(seed).u64(..));
        let functions = [
            Function::of_orders(&mut rng),
            Function {
                namespace: NAMESPACES[1],
                ..Function::of_confirmations(&mut rng)
            },
        ];
        let (orders, rates) = (messages(&mut rng, functions[0].ordered), Rates::draw(&mut rng));
        let beyond = rng.u8(..6) == 0 || mutant == Some(Mutant::ClocksBeyondTheMargin);
        let calm_at = Duration::from_secs(rng.u64(60..300));
        let plan = Self {
            seed,
            orders,
            functions,
            rates: match beyond {
                true => rates.with_frequent(Fault::Duplicate),
                false => rates,
            },
            calm_at,
            beyond,
            retention: (rng.u8(..6) == 0).then(|| Duration::from_secs(rng.u64(1..60))),
            mutant,
        };
        (plan, rng)
    }
}

impl Function {
    fn of_orders(rng: &mut Rng) -> Self {
        let kinds = [
            Kind::Claiming,
            Kind::Limited,
            Kind::Holding,
            Kind::OneStep,
            Kind::Natural,
        ];
        let kind = kinds[rng.usize(..kinds.len())];
        let ordered = kind == Kind::Holding || rng.bool();
        let dead_letters = ["orders-dlq", "orders-dlq.fifo"];
        function(rng, kind, ordered, ["orders", "orders.fifo"], dead_letters)
    }

    fn of_confirmations(rng: &mut Rng) -> Self {
        let kind = [Kind::Claiming, Kind::OneStep][rng.usize(..2)];
        let dead_letters = ["confirmations-dlq", "confirmations-dlq.fifo"];
        let ordered = rng.bool();
        function(
            rng,
            kind,
            ordered,
            ["confirmations", "confirmations.fifo"],
            dead_letters,
        )
    }
}

fn function(
    rng: &mut Rng,
    kind: Kind,
    ordered: bool,
    queues: [&'static str; 2],
    dead_letters: [&'static str; 2],
) -> Function {
    let budget = Duration::from_secs([3, 10, 30][rng.usize(..3)]);
    // A group of an ordered queue is redelivered while an attempt still runs if its visibility timeout is too short; without a
    // ledger nothing keeps its order then.
    let visibility = match !ordered && rng.u8(..4) == 0 {
        true => budget / 2,
        false => budget * 2,
    };
    let max_receives = match kind == Kind::Holding || rng.bool() {
        true => Some(rng.u32(3..8)),
        false => None,
    };
    Function {
        queue: queues[usize::from(ordered)],
        dead_letters: dead_letters[usize::from(ordered)],
        namespace: NAMESPACES[0],
        ordered,
        kind,
        workers: rng.usize(1..4),
        budget,
        visibility,
        max_receives,
        states_limit: rng.u8(..3) > 0,
    }
}

/// Messages of some orders. Several may be of one order, and few of them of another variant of it.
fn messages(rng: &mut Rng, ordered: bool) -> Vec<Order> {
    let (orders, groups) = (rng.u32(1..6), rng.u32(1..4));
    let key = match rng.u8(..if ordered { 3 } else { 2 }) {
        0 => KeyOf::Message,
        1 => KeyOf::Business,
        _ => KeyOf::Deduplication,
    };
    let stated = rng.bool();
    let count = rng.u32(1..9);
    let message = |_| {
        let order = rng.u32(..orders);
        let variant = u32::from(rng.u8(..8) == 0);
        let content = Content {
            order: format!("o{order}"),
            variant,
            key,
            sends: 1 + (order + variant) % 3,
            position: 0,
            stated: stated && key == KeyOf::Business,
        };
        Order {
            content: (rng.u8(..16) > 0).then_some(content),
            group: rng.u32(..groups),
            deduplication_id: format!("d{}", rng.u32(..12)),
            at: Duration::from_millis(rng.u64(..90_000)),
        }
    };
    let mut messages: Vec<_> = (0..count).map(message).collect();
    messages.sort_by_key(|message| message.at);
    messages
}
