//! Many histories, on all cores, and the report on them.

use std::fmt::{self, Display};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::faults::{FATES, FAULTS, OUTAGES};
use crate::history::{History, happen};
use crate::plan::{Action, MODES};
use crate::world::Counts;

/// What the histories of consecutive seeds came to.
#[derive(Default)]
pub(crate) struct Report {
    first: u64,
    pub(crate) histories: u64,
    steps: u64,
    counts: Counts,
    /// Of all traces, whatever the order in which they happened: the same for the same code and seeds.
    digest: u64,
    took: Duration,
    /// The failed history with the lowest seed of those that happened.
    pub(crate) failed: Option<History>,
}

/// The histories of this many seeds, beginning with `first`. After one that fails, none begins.
pub(crate) fn run(first: u64, histories: u64) -> Report {
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let report = Mutex::new(Report {
        first,
        ..Report::default()
    });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Report::default();
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= histories {
                        break;
                    }
                    mine.add(happen(first + at, None));
                    stop.fetch_or(mine.failed.is_some(), Ordering::Relaxed);
                }
                report.lock().unwrap().merge(mine);
            });
        }
    });
    Report {
        took: started.elapsed(),
        ..report.into_inner().unwrap()
    }
}

impl Report {
    fn add(&mut self, history: History) {
        let mut hasher = DefaultHasher::new();
        history.trace.hash(&mut hasher);
        self.merge(Self {
            histories: 1,
            steps: history.steps,
            counts: history.counts.clone(),
            digest: hasher.finish(),
            failed: history.violation.is_some().then_some(history),
            ..Self::default()
        });
    }

    fn merge(&mut self, other: Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.digest ^= other.digest;
        for (what, times) in other.counts {
            *self.counts.entry(what).or_default() += times;
        }
        let failed = self.failed.take().into_iter().chain(other.failed);
        self.failed = failed.min_by_key(|history| history.seed);
    }

    /// What occurred too rarely: a simulation without it shows nothing about it.
    pub(crate) fn missing(&self) -> Vec<String> {
        let least = (self.histories / 100).max(1);
        let times = |what: &str| self.counts.get(what).copied().unwrap_or_default();
        let rare = expected().filter(|what| times(what) < least);
        rare.map(|what| format!("{what}: {} of at least {least}", times(what)))
            .collect()
    }
}

/// All that must occur.
fn expected() -> impl Iterator<Item = &'static str> {
    let fates = FATES.iter().flat_map(|(_, names)| names).copied();
    let faults = FAULTS.iter().map(|(_, name)| *name);
    let actions = Action::ALL.iter().map(|(_, name)| *name);
    fates
        .chain(OUTAGES)
        .chain(faults)
        .chain(actions)
        .chain(MODES)
        .chain(EVENTS)
}

/// What follows from faults.
const EVENTS: [&str; 21] = [
    "fault: clock skew beyond the margin",
    "fault: clock skew",
    "queue: standard",
    "queue: ordered",
    "queue: copy dropped",
    "outcome: done",
    "outcome: duplicate",
    "outcome: in progress",
    "outcome: failed",
    "outcome: rejected",
    "outcome: not started",
    "event: lease taken over",
    "event: expired record replaced",
    "event: lost lease",
    "event: moved by the redrive policy",
    "event: dead-lettered at the last receive",
    "event: old receipt",
    "event: deletion by an old receipt",
    "event: expired receipt",
    "event: answered lost",
    "event: answered other payload",
];

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (histories, first, steps) = (self.histories, self.first, self.steps);
        writeln!(
            f,
            "{histories} histories from seed {first}, {steps} steps, {:.1?}",
            self.took
        )?;
        writeln!(f, "digest of all traces: {:016x}", self.digest)?;
        let mut counts = self.counts.iter();
        counts.try_for_each(|(what, times)| writeln!(f, "{times:>10}  {what}"))
    }
}
