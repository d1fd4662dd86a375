//! What a redrive comes to.

use super::list::FIFO_CAVEAT;
use super::send::{Cleared, Trouble, Way};
use crate::say;

#[derive(Default)]
pub(super) struct Sum {
    redriven: u64,
    cleared: u64,
    /// Chosen, but still in the dead-letter queue.
    pub(super) failed: u64,
    /// Chosen, and redriven once in this run, but here again.
    pub(super) came_back: u64,
    /// Redriven with a record that nobody could look for.
    unknown: u64,
}

/// How much of the queue has been seen.
pub(super) struct Extent {
    /// About how many messages it had.
    pub(super) there: u64,
    pub(super) seen: u64,
}

impl Sum {
    pub(super) fn tried(&self) -> u64 {
        self.redriven + self.failed
    }

    pub(super) fn add(&mut self, done: &Result<Cleared, Trouble>) {
        let cleared = match done {
            Ok(cleared) => Some(*cleared),
            Err(trouble) => trouble.cleared,
        };
        match done {
            Ok(_) => self.redriven += 1,
            Err(_) => self.failed += 1,
        }
        self.cleared += u64::from(cleared == Some(Cleared::Yes));
        self.unknown += u64::from(cleared == Some(Cleared::Unknown));
    }

    /// About how many of those that were there at first have not been seen; what came back was not there.
    pub(super) fn unseen(&self, extent: &Extent) -> u64 {
        let seen = extent.seen.saturating_sub(self.came_back);
        extent.there.saturating_sub(seen)
    }

    pub(super) fn say(&self, way: &Way<'_>, extent: &Extent, dry_run: bool) {
        let (from, to) = (way.from.name(), way.to.name());
        let Self {
            redriven,
            cleared,
            failed,
            came_back,
            unknown,
        } = self;
        let left = extent.seen.saturating_sub(*redriven);
        let would = if dry_run { "would be " } else { "" };
        say!(
            "{from}: {redriven} {would}redriven to {to}, {cleared} records {would}cleared; of {} seen {left} {would}left, \
             {failed} of them failed",
            extent.seen
        );
        let unseen = self.unseen(extent);
        if unseen > 0 {
            say!("about {unseen} more were not seen");
        }
        if *came_back > 0 {
            say!(
                "{came_back} came back, or are copies: a run redrives the same work once; mend the cause before the next"
            );
        }
        if *unknown > 0 {
            say!(
                "{unknown} don't tell their function: if the ledger says REJECTED, they come back; --namespace names where \
                 to clear them, and `operator unlock` clears a key other than their ID"
            );
        }
        if way.from.is_fifo() && (left > 0 || unseen > 0 || dry_run) {
            say!("{FIFO_CAVEAT}");
        }
    }
}
