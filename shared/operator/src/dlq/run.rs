//! One run through a dead-letter queue that redrives the selected messages.

use std::collections::HashSet;

use cli::{StopFlag, printable, say};
use indicatif::ProgressBar;
use tokio::time::Interval;

use super::copies::{Relation, Sent};
use super::dead_letter::DeadLetter;
use super::filter::Filter;
use super::route::{Done, RecordState, RedriveError, Route};
use super::scan::Scan;
use super::summary::{Coverage, Summary};

/// One run through the queue.
pub(super) struct Run<'a> {
    route: Route<'a>,
    filter: &'a Filter,
    dry_run: bool,
    pace: Option<Interval>,
    /// Hidden without a terminal; then a line is printed for each message.
    bar: ProgressBar,
    /// Message groups of a FIFO queue that keep a message here: later ones must not overtake it.
    blocked_groups: HashSet<String>,
    sent: Sent,
    summary: Summary,
}

impl<'a> Run<'a> {
    /// Through about `visible` messages, one at each tick of `pace`.
    pub(super) fn new(
        route: Route<'a>,
        filter: &'a Filter,
        dry_run: bool,
        pace: Option<Interval>,
        visible: u64,
    ) -> Self {
        Self {
            route,
            filter,
            dry_run,
            pace,
            bar: ProgressBar::new(visible.min(filter.limit())),
            blocked_groups: HashSet::new(),
            sent: Sent::default(),
            summary: Summary::default(),
        }
    }

    /// Goes on until all messages are seen, the limit is reached, or a stop is requested.
    pub(super) async fn redrive_all(&mut self, scan: &mut Scan<'_>, stop: &StopFlag) -> Result<(), String> {
        let limit = self.filter.limit();
        while stop.requested().is_none() && self.summary.attempted() < limit {
            let dead_letters = scan.next().await?;
            if dead_letters.is_empty() {
                break;
            }
            self.sent.received(&dead_letters);
            for dead_letter in &dead_letters {
                if !self.selects(dead_letter) || self.is_known(dead_letter, scan).await {
                    continue;
                }
                if let Some(pace) = &mut self.pace {
                    pace.tick().await;
                }
                if stop.requested().is_some() || self.summary.attempted() >= limit {
                    break;
                }
                if self.redrive_one(dead_letter).await && !self.dry_run {
                    scan.remove(dead_letter);
                }
            }
        }
        Ok(())
    }

    fn selects(&mut self, dead_letter: &DeadLetter) -> bool {
        let of_source = self.route.targets.selects(dead_letter);
        let selected = of_source && self.filter.selects(dead_letter);
        self.summary.seen.add(dead_letter, of_source, selected);
        selected
    }

    /// Whether this run has already sent the message, in whatever form it is in the queue.
    async fn is_known(&mut self, dead_letter: &DeadLetter, scan: &mut Scan<'_>) -> bool {
        match self.sent.relation(dead_letter) {
            Relation::New => return false,
            Relation::Copy => {
                if self.delete_copy(dead_letter).await {
                    scan.remove(dead_letter);
                }
            }
            Relation::Again => self.skip_repeated(dead_letter),
        }
        true
    }

    /// Deletes a dead letter whose identical copy was sent. Returns whether it is deleted.
    async fn delete_copy(&mut self, dead_letter: &DeadLetter) -> bool {
        let (id, key) = (&dead_letter.id, printable(dead_letter.key()));
        let deleted = match self.dry_run {
            true => Ok(()),
            false => self.route.delete(dead_letter).await,
        };
        let line = match (&deleted, self.dry_run) {
            (Ok(()), false) => format!("deleted {id} (key {key}): an identical copy was redriven"),
            (Ok(()), true) => format!("would delete {id} (key {key}): an identical copy of one that would be redriven"),
            (Err(why), _) => format!("failed {id} (key {key}): a copy of a redriven message, but not deleted: {why}"),
        };
        self.summary.add_copy(deleted.is_ok());
        self.print(&line, deleted.is_err() || self.dry_run);
        deleted.is_ok() && !self.dry_run
    }

    /// Whether it was redriven.
    async fn redrive_one(&mut self, dead_letter: &DeadLetter) -> bool {
        let group = self.ordered_group(dead_letter);
        let result = match group {
            Some(group) if self.blocked_groups.contains(&group) => Err(RedriveError {
                why: "an earlier message of its message group stays in the queue".to_owned(),
                record: None,
            }),
            _ => self.route.redrive(dead_letter, &mut self.sent, self.dry_run).await,
        };
        self.report(dead_letter, &result);
        self.summary.add(dead_letter, &result);
        if result.is_err() {
            self.blocked_groups.extend(self.ordered_group(dead_letter));
        }
        result.is_ok()
    }

    /// A message that this run has sent, and that was dead-lettered again, stays in the queue.
    fn skip_repeated(&mut self, dead_letter: &DeadLetter) {
        self.summary.repeated += 1;
        self.blocked_groups.extend(self.ordered_group(dead_letter));
        let key = printable(dead_letter.key());
        self.print(
            &format!("skipped {} (key {key}): already redriven in this run", dead_letter.id),
            true,
        );
    }

    /// The message group whose order must be kept.
    fn ordered_group(&self, dead_letter: &DeadLetter) -> Option<String> {
        dead_letter.group.clone().filter(|_| self.route.from.is_fifo())
    }

    /// Prints the summary. Returns whether the run succeeded: no selected message remains, seen or unseen.
    pub(super) fn finish(&self, coverage: &Coverage) -> bool {
        self.bar.finish_and_clear();
        self.summary.print(&self.route, coverage, self.filter, self.dry_run);
        // On a FIFO queue, selected messages may be behind others of their group.
        let may_miss_selected =
            self.route.from.is_fifo() && self.filter.skips_some() && self.summary.attempted() < self.filter.limit();
        self.summary.is_success(coverage, self.filter) && (!may_miss_selected || self.summary.unseen(coverage) == 0)
    }

    fn report(&self, dead_letter: &DeadLetter, result: &Result<Done, RedriveError>) {
        let (redriven, deleted) = match self.dry_run {
            true => ("would redrive", "would delete"),
            false => ("redriven", "deleted"),
        };
        let (id, key) = (&dead_letter.id, printable(dead_letter.key()));
        let line = match result {
            Ok(done) => {
                // The one that was confirmed needs no mention.
                let to = match self.route.targets.single() {
                    Some(queue) if queue.name() == done.to => String::new(),
                    _ => format!(" to {}", done.to),
                };
                let record = match done.record {
                    RecordState::Deleted => format!(", {deleted} its REJECTED record"),
                    RecordState::Unchecked => ", record not checked".to_owned(),
                    RecordState::Kept | RecordState::Missing => String::new(),
                };
                format!("{redriven} {id} (key {key}){to}{record}")
            }
            Err(error) => format!("failed {id} (key {key}): {}", error.why),
        };
        self.bar.inc(1);
        self.print(&line, result.is_err() || self.dry_run);
    }

    /// The progress bar, if there is one, stands for the lines about messages that were redriven.
    fn print(&self, line: &str, even_with_bar: bool) {
        match self.bar.is_hidden() {
            true => say!("{line}"),
            false if even_with_bar => self.bar.println(line),
            false => {}
        }
    }
}
