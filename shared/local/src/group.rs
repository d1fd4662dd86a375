//! A process and all that it started.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// A process that leads a group, and all that it started. Dropped, it gets a signal.
pub(crate) struct Group {
    leader: Option<Pid>,
    end: Signal,
}

impl Group {
    /// The group of a child that was started with `process_group(0)`, and the signal that ends it.
    pub(crate) fn of(leader: &Child, end: Signal) -> Self {
        let leader = leader.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        Self { leader, end }
    }

    /// It has ended: its number may be another's by now.
    pub(crate) fn dismiss(mut self) {
        self.leader = None;
    }

    /// Sends a signal to all of the group. Harmless if nothing is left of it.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.leader {
            // An error means that nothing is left of it.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Sends a signal to the process alone, as an orchestrator does.
    pub(crate) fn signal_leader(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(self.end);
    }
}
