//! What a redrive comes to.

use cli::{printable, say};

use super::chosen::{Chosen, Met};
use super::letter::DeadLetter;
use super::list::FIFO_CAVEAT;
use super::send::{Cleared, Trouble, Way};

#[derive(Default)]
pub(super) struct Sum {
    pub(super) met: Met,
    redriven: u64,
    cleared: u64,
    /// Chosen, but still in the dead-letter queue.
    failed: u64,
    /// Chosen, and redriven once in this run, but here again.
    pub(super) came_back: u64,
    /// Redriven with a record that nobody could look for.
    unknown: u64,
    /// Records of letters that tell their function.
    of_functions: Records,
    /// Records of the others, in the namespace that was given.
    of_namespace: Records,
}

#[derive(Default)]
struct Records {
    looked_for: u64,
    found: u64,
}

impl Records {
    fn add(&mut self, cleared: Cleared) {
        self.looked_for += 1;
        self.found += u64::from(cleared != Cleared::NoRecord);
    }

    fn is_none_there(&self) -> bool {
        self.looked_for > 0 && self.found == 0
    }
}

/// How much of the queue has been seen.
pub(super) struct Extent {
    /// About how many messages it had.
    pub(super) there: u64,
    /// About how many could not be received.
    pub(super) held_by_others: u64,
    pub(super) seen: u64,
}

impl Sum {
    pub(super) fn tried(&self) -> u64 {
        self.redriven + self.failed
    }

    pub(super) fn add(&mut self, letter: &DeadLetter, done: &Result<Cleared, Trouble>) {
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
        if let Some(cleared) = cleared.filter(|cleared| *cleared != Cleared::Unknown) {
            match letter.function() {
                Some(_) => self.of_functions.add(cleared),
                None => self.of_namespace.add(cleared),
            }
        }
    }

    /// Nothing that was chosen is still here, and there was something to choose.
    pub(super) fn is_sound(&self, extent: &Extent, chosen: &Chosen) -> bool {
        let in_vain = self.redriven == 0 && extent.held_by_others > 0;
        let nothing_meant = self.met.nothing_of(chosen).is_some();
        self.failed == 0 && self.came_back == 0 && !in_vain && !nothing_meant
    }

    /// About how many of those that were there at first have not been seen; what came back was not there.
    pub(super) fn unseen(&self, extent: &Extent) -> u64 {
        let seen = extent.seen.saturating_sub(self.came_back);
        extent.there.saturating_sub(seen)
    }

    pub(super) fn say(&self, way: &Way<'_>, extent: &Extent, chosen: &Chosen, dry_run: bool) {
        let (from, to) = (way.from.name(), way.to.name());
        let (redriven, cleared, failed, seen) = (self.redriven, self.cleared, self.failed, extent.seen);
        let left = seen.saturating_sub(redriven);
        let would = if dry_run { "would be " } else { "" };
        say!(
            "{from}: {redriven} {would}redriven to {to}, {cleared} records {would}cleared; of {seen} seen {left} {would}left, \
             {failed} of them failed"
        );
        if let Some(instead) = self.met.nothing_of(chosen) {
            say!("{instead}");
        }
        let (unseen, held) = (self.unseen(extent), extent.held_by_others);
        if unseen > 0 {
            say!("about {unseen} more were not seen");
        }
        if held > 0 {
            say!(
                "{held} more are held by others, or by a run that was broken off: seen again in two minutes and the time \
                 that it would have taken"
            );
        }
        if self.came_back > 0 {
            say!(
                "{} came back, or are copies: a run redrives the same work once; mend the cause before the next",
                self.came_back
            );
        }
        self.say_of_records(way);
        if way.from.is_fifo() && (left > 0 || unseen > 0 || dry_run) {
            say!("{FIFO_CAVEAT}");
        }
    }

    fn say_of_records(&self, way: &Way<'_>) {
        let unknown = self.unknown;
        if unknown > 0 {
            say!(
                "{unknown} don't tell their function: if the ledger says REJECTED, they come back; --namespace names where \
                 to clear them, and `operator unlock` clears a key other than their ID"
            );
        }
        // A wrong name, perhaps; or there is nothing to clear.
        if self.of_functions.is_none_there() {
            say!(
                "none of {} that tell their function has a record in table {}; natural mode keeps none: if nothing else was \
                 rejected, or all was unlocked, all is well",
                self.of_functions.looked_for,
                way.table
            );
        }
        if let Some(namespace) = way.namespace.filter(|_| self.of_namespace.is_none_there()) {
            let others = match self.met.functions() {
                none if none.is_empty() => none,
                functions => format!("; others tell: {functions}"),
            };
            say!(
                "none of {} that don't tell their function has a record in namespace {} of table {}{others}; retries leave \
                 none: if nothing was rejected, all is well",
                self.of_namespace.looked_for,
                printable(namespace),
                way.table
            );
        }
    }
}
