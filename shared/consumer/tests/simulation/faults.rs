//! What can go wrong in a history, and how often: drawn for each history, so that each has its own mixture.

use std::time::Duration;

use fastrand::Rng;

/// A service that is called through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Store,
    Queue,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It is answered after seconds.
    Slow,
    /// It is refused at once, because the service is busy.
    Throttled,
    /// The store: a conflict with another request. A queue: some entries of the request are not sent.
    Partial,
    /// It is refused, and would be again: a permission is missing.
    Refused,
    /// It never arrives.
    Lost,
    /// It takes effect, but its reply is lost.
    ReplyLost,
    /// It takes effect, but is never answered.
    Hangs,
    /// The connection breaks, and the request takes effect up to a minute later.
    Late,
    /// It takes effect twice: at once and up to a minute later.
    Copied,
    /// The service is down.
    Outage,
}

/// The fates that are faults, and what they are called in the report, for the store and for queues.
pub(crate) const FATES: [(Fate, [&str; 2]); 9] = [
    (Fate::Slow, ["fault: store slow", "fault: send slow"]),
    (Fate::Throttled, ["fault: store throttled", "fault: send throttled"]),
    (Fate::Partial, ["fault: store conflict", "fault: send in part"]),
    (Fate::Refused, ["fault: store refuses", "fault: send refused"]),
    (Fate::Lost, ["fault: store request lost", "fault: send request lost"]),
    (Fate::ReplyLost, ["fault: store reply lost", "fault: send reply lost"]),
    (Fate::Hangs, ["fault: store hangs", "fault: send hangs"]),
    (Fate::Late, ["fault: store late", "fault: send late"]),
    (Fate::Copied, ["fault: store request copied", "fault: send copied"]),
];

/// What an outage is called in the report.
pub(crate) const OUTAGES: [&str; 2] = ["fault: store outage", "fault: send outage"];

/// Faults of a worker, of its host and of the queue it receives from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies when its future was polled this often.
    CrashAtPoll,
    /// It dies after some time.
    CrashAtTime,
    /// It is stopped, and goes on when its lease may be over.
    Stall,
    /// The verdicts never arrive at the queue.
    VerdictsLost,
    /// A message is not deleted although its verdict allows it.
    DeleteLost,
    /// A deleted message is delivered once more.
    Undeleted,
    /// A delay is not set.
    DelayLost,
    /// A message is delivered to a second worker while the first has it.
    Duplicate,
    /// A message is delivered twice in one batch.
    DuplicateInBatch,
}

pub(crate) const FAULTS: [(Fault, &str); 9] = [
    (Fault::CrashAtPoll, "fault: crash at an await"),
    (Fault::CrashAtTime, "fault: crash at a time"),
    (Fault::Stall, "fault: stall"),
    (Fault::VerdictsLost, "fault: verdicts lost"),
    (Fault::DeleteLost, "fault: delete lost"),
    (Fault::Undeleted, "fault: delivery after delete"),
    (Fault::DelayLost, "fault: delay lost"),
    (Fault::Duplicate, "fault: concurrent delivery"),
    (Fault::DuplicateInBatch, "fault: twice in a batch"),
];

/// How often each fault occurs in a history; most histories have only some of them, so that rare ones are not hidden.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    fates: [[f64; FATES.len()]; 2],
    faults: [f64; FAULTS.len()],
    /// From and until when each service is down.
    outages: [Option<(Duration, Duration)>; 2],
}

impl Rates {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut rates = Self {
            fates: Default::default(),
            faults: Default::default(),
            outages: [None, None],
        };
        for rate in rates.fates.as_flattened_mut() {
            *rate = rate_of(rng, &[0.02, 0.05, 0.15]);
        }
        for rate in &mut rates.faults {
            *rate = rate_of(rng, &[0.05, 0.15, 0.4]);
        }
        for outage in &mut rates.outages {
            let from = Duration::from_secs(rng.u64(0..120));
            let length = Duration::from_secs(rng.u64(1..60));
            *outage = (rng.u8(..8) == 0).then_some((from, from + length));
        }
        rates
    }

    /// The fate of a request now, and its name unless it is answered.
    pub(crate) fn fate(&self, rng: &mut Rng, service: Service, now: Duration) -> (Fate, Option<&'static str>) {
        let of = service as usize;
        if self.outages[of].is_some_and(|(from, until)| (from..until).contains(&now)) {
            return (Fate::Outage, Some(OUTAGES[of]));
        }
        let drawn = FATES.iter().zip(self.fates[of]).find(|(_, rate)| rng.f64() < *rate);
        drawn.map_or((Fate::Answered, None), |((fate, names), _)| (*fate, Some(names[of])))
    }

    /// Whether a fault occurs now.
    pub(crate) fn occurs(&self, rng: &mut Rng, fault: Fault) -> bool {
        rng.f64() < self.faults[fault as usize]
    }

    /// Let a fault occur more often than not.
    pub(crate) fn with_frequent(mut self, fault: Fault) -> Self {
        self.faults[fault as usize] = 0.6;
        self
    }
}

fn rate_of(rng: &mut Rng, rates: &[f64]) -> f64 {
    match rng.u8(..3) {
        0 => rates[rng.usize(..rates.len())],
        _ => 0.0,
    }
}
