//! What happens in each part of a run: every fault alone, then all together.

use crate::faults::{Kind, Rate, Rule, Target};

/// A part of the run.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) table: &'static [Rule],
    pub(crate) queue: &'static [Rule],
    pub(crate) receiver: &'static [Rule],
    /// Whether processes are killed, at random times and between an effect and its reply.
    pub(crate) kills: bool,
    /// Whether processes are stopped past their leases, and go on after them.
    pub(crate) stops: bool,
    /// One of so many messages is sent twice by its producer, and one of so many is delivered to two processes.
    pub(crate) twice: Option<u32>,
    /// Whether what Lambda deletes from the queues stays there at times.
    pub(crate) undeleted: bool,
    /// Its part of the time.
    pub(crate) share: u32,
    /// How long its last messages may take, in seconds: a visibility timeout after a kill, a stop and a lease after a stop.
    pub(crate) settles: u32,
}

use Kind::{Delayed, Late, ReplyCut, ReplyLost, RequestLost, ServerError, Throttled};
use Rate::{Every, OneIn};

/// Nothing goes wrong.
pub(crate) const CALM: Scenario = Scenario {
    name: "no fault",
    table: &[],
    queue: &[],
    receiver: &[],
    kills: false,
    stops: false,
    twice: None,
    undeleted: false,
    share: 1,
    settles: 1,
};

const HOSTILE: &[Rule] = &[
    (RequestLost, OneIn(20)),
    (ReplyLost, OneIn(15)),
    (ReplyCut, OneIn(30)),
    (Throttled, OneIn(15)),
    (ServerError, OneIn(30)),
    (Delayed, OneIn(10)),
    (Late, OneIn(60)),
];

const EVERY_SEVENTH: Rule = (ReplyLost, Every(7));
const EVERY_SECOND: Rule = (Throttled, Every(2));

/// In this order.
pub(crate) static SCENARIOS: [Scenario; 16] = [
    CALM,
    Scenario {
        name: "sent twice, and delivered twice to two processes",
        twice: Some(1),
        settles: 4,
        ..CALM
    },
    both("requests lost", &[(RequestLost, OneIn(5))]),
    both("replies lost", &[(ReplyLost, OneIn(3))]),
    both("replies cut in the middle", &[(ReplyCut, OneIn(5))]),
    both("requests delayed", &[(Delayed, OneIn(2))]),
    both("requests late, after their timeout", &[(Late, OneIn(15))]),
    both("requests throttled", &[(Throttled, OneIn(3))]),
    both("server errors", &[(ServerError, OneIn(4))]),
    both("every 7th reply lost", &[EVERY_SEVENTH]),
    both("every 2nd request throttled", &[EVERY_SECOND]),
    Scenario {
        name: "receiver fails after its effect",
        receiver: &[(ReplyLost, OneIn(4)), (ServerError, OneIn(6)), (Delayed, OneIn(6))],
        settles: 2,
        ..CALM
    },
    Scenario {
        name: "deletions lost",
        undeleted: true,
        settles: 4,
        ..CALM
    },
    Scenario {
        name: "processes killed",
        kills: true,
        share: 6,
        settles: 4,
        ..CALM
    },
    Scenario {
        name: "processes stopped past their leases",
        stops: true,
        share: 4,
        settles: 7,
        ..CALM
    },
    Scenario {
        name: "all together",
        table: HOSTILE,
        queue: HOSTILE,
        receiver: &[(ReplyLost, OneIn(10)), (ServerError, OneIn(20)), (Delayed, OneIn(10))],
        kills: true,
        stops: true,
        twice: Some(20),
        undeleted: true,
        share: 12,
        settles: 8,
    },
];

/// The same faults at the table and at the queues.
const fn both(name: &'static str, rules: &'static [Rule]) -> Scenario {
    Scenario {
        name,
        table: rules,
        queue: rules,
        ..CALM
    }
}

impl Scenario {
    pub(crate) fn rules(&self, target: Target) -> &'static [Rule] {
        match target {
            Target::Table => self.table,
            Target::Queue => self.queue,
            Target::Receiver => self.receiver,
        }
    }
}
