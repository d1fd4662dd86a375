//! Kills processes, and stops them past their leases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use emulator::lambda::{Lambda, Signal};

use crate::faults::{Faults, KILLED, STOPPED};
use crate::workload::FUNCTIONS;

/// Longer than a lease: two seconds for the invocation, one for the margin between clocks, one for the visibility timeout.
const STOPPED_MILLIS: (u64, u64) = (4500, 6000);

/// A process is killed so much later than its deadline while others are stopped.
const KILL_DELAY: Duration = Duration::from_secs(8);

/// More would leave no process to work.
const MOST_STOPPED: usize = 4;

/// What is done to processes now.
pub(crate) struct Processes {
    lambda: Arc<Lambda>,
    faults: Arc<Faults>,
    stopped: Arc<AtomicUsize>,
    /// Processes that were stopped at some time.
    ever_stopped: Arc<Mutex<Vec<String>>>,
}

impl Processes {
    pub(crate) fn new(lambda: &Arc<Lambda>, faults: &Arc<Faults>) -> Self {
        Self {
            lambda: Arc::clone(lambda),
            faults: Arc::clone(faults),
            stopped: Arc::default(),
            ever_stopped: Arc::default(),
        }
    }

    /// Kills and stops at random times, if the scenario has such faults, until it is dropped. Those that it stopped still go on.
    pub(crate) async fn disturb(&self) {
        let scenario = self.faults.scenario();
        self.lambda
            .set_kill_delay(if scenario.stops { KILL_DELAY } else { Duration::ZERO });
        loop {
            tokio::time::sleep(self.faults.between(40, 160)).await;
            if scenario.kills && self.faults.once_in(2) {
                self.kill_one();
            }
            if scenario.stops && self.stopped.load(Ordering::SeqCst) < MOST_STOPPED {
                self.stop_one();
            }
        }
    }

    pub(crate) fn ever_stopped(&self) -> Vec<String> {
        self.ever_stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn all_go_on(&self) -> bool {
        self.stopped.load(Ordering::SeqCst) == 0
    }

    fn kill_one(&self) {
        if let Some(process) = self.any_working()
            && self.lambda.signal(&process, Signal::Kill)
        {
            self.faults.count(KILLED);
        }
    }

    fn stop_one(&self) {
        let Some(process) = self.any_working() else { return };
        if !self.lambda.signal(&process, Signal::Stop) {
            return;
        }
        self.faults.count(STOPPED);
        let mut ever_stopped = self.ever_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        ever_stopped.push(process.clone());
        self.stopped.fetch_add(1, Ordering::SeqCst);
        let (lambda, stopped) = (Arc::clone(&self.lambda), Arc::clone(&self.stopped));
        let pause = self.faults.between(STOPPED_MILLIS.0, STOPPED_MILLIS.1);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            lambda.signal(&process, Signal::Continue);
            stopped.fetch_sub(1, Ordering::SeqCst);
        });
    }

    fn any_working(&self) -> Option<String> {
        let working: Vec<_> = FUNCTIONS
            .iter()
            .flat_map(|function| self.lambda.working(function))
            .collect();
        let count = u32::try_from(working.len()).ok().filter(|count| *count > 0)?;
        working.into_iter().nth(self.faults.below(count) as usize)
    }
}
