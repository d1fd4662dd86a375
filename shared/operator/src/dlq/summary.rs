//! The summary of a redrive.

use std::collections::BTreeMap;

use cli::{printable, say};

use super::dead_letter::DeadLetter;
use super::filter::{Filter, SeenCounts};
use super::list::FIFO_CAVEAT;
use super::message::Deduplication;
use super::route::{Done, RecordState, RedriveError, Route};

#[derive(Default)]
pub(super) struct Summary {
    pub(super) seen: SeenCounts,
    /// How many were redriven to each queue.
    redriven: BTreeMap<String, u64>,
    /// Copies of redriven messages, deleted.
    copies: u64,
    undeleted_copies: u64,
    records_deleted: u64,
    /// Selected, but still in the dead-letter queue.
    failed: u64,
    /// Selected, already redriven in this run, and in the queue again.
    pub(super) repeated: u64,
    /// Redriven without a check of the record.
    unchecked: u64,
    /// Redriven with a deduplication ID that was computed.
    computed: u64,
    /// Redriven without the deduplication ID of their producer.
    lost: u64,
    /// Records of messages that name their function.
    with_function: RecordCounts,
    /// Records of the others, in the namespace of `--namespace`.
    in_namespace: RecordCounts,
}

#[derive(Default)]
struct RecordCounts {
    checked: u64,
    found: u64,
}

impl RecordCounts {
    fn add(&mut self, record: RecordState) {
        self.checked += 1;
        self.found += u64::from(record != RecordState::Missing);
    }

    fn all_missing(&self) -> bool {
        self.checked > 0 && self.found == 0
    }
}

/// How much of the queue a run saw.
pub(super) struct Coverage {
    /// Approximate number of visible messages at the start.
    pub(super) visible: u64,
    /// Approximate number of messages in flight at the start; a run cannot receive them.
    pub(super) in_flight: u64,
    pub(super) seen: u64,
}

impl Summary {
    pub(super) fn attempted(&self) -> u64 {
        self.redriven() + self.failed
    }

    fn redriven(&self) -> u64 {
        self.redriven.values().sum()
    }

    pub(super) fn add_copy(&mut self, deleted: bool) {
        match deleted {
            true => self.copies += 1,
            false => self.undeleted_copies += 1,
        }
    }

    pub(super) fn add(&mut self, dead_letter: &DeadLetter, result: &Result<Done, RedriveError>) {
        let record = match result {
            Ok(done) => Some(done.record),
            Err(error) => error.record,
        };
        match result {
            Ok(done) => {
                *self.redriven.entry(done.to.clone()).or_default() += 1;
                self.computed += u64::from(done.deduplication == Deduplication::Computed);
                self.lost += u64::from(done.deduplication == Deduplication::Lost);
            }
            Err(_) => self.failed += 1,
        }
        self.records_deleted += u64::from(record == Some(RecordState::Deleted));
        self.unchecked += u64::from(record == Some(RecordState::Unchecked));
        if let Some(record) = record.filter(|record| *record != RecordState::Unchecked) {
            match dead_letter.function() {
                Some(_) => self.with_function.add(record),
                None => self.in_namespace.add(record),
            }
        }
    }

    /// No selected message remains, and there was one to select.
    pub(super) fn is_success(&self, coverage: &Coverage, filter: &Filter) -> bool {
        let all_in_flight = self.redriven() == 0 && coverage.in_flight > 0;
        let none_selected = self.seen.none_selected(filter).is_some();
        self.failed + self.undeleted_copies + self.repeated == 0 && !all_in_flight && !none_selected
    }

    /// About how many of the messages visible at the start were not seen. Repeated ones were not there at the start.
    pub(super) fn unseen(&self, coverage: &Coverage) -> u64 {
        let seen = coverage.seen.saturating_sub(self.repeated);
        coverage.visible.saturating_sub(seen)
    }

    pub(super) fn print(&self, route: &Route<'_>, coverage: &Coverage, filter: &Filter, dry_run: bool) {
        let (from, to) = (route.from.name(), self.queues(route));
        let (deleted, failed) = (self.records_deleted, self.failed + self.undeleted_copies);
        let seen = coverage.seen;
        let remain = seen.saturating_sub(self.redriven() + self.copies);
        let (would_be, would) = if dry_run { ("would be ", "would ") } else { ("", "") };
        let copies = match self.copies {
            0 => String::new(),
            copies => format!("{copies} copies of these {would_be}deleted, "),
        };
        say!(
            "{from}: {} {would_be}redriven to {to}, {copies}{deleted} REJECTED records {would_be}deleted; {seen} seen, \
             {remain} {would}remain, {failed} failed",
            self.redriven()
        );
        if let Some(contents) = self.seen.none_selected(filter) {
            say!("{contents}");
        }
        let (unseen, in_flight) = (self.unseen(coverage), coverage.in_flight);
        if unseen > 0 {
            say!("about {unseen} more were not seen");
        }
        if in_flight > 0 {
            say!(
                "{in_flight} more are in flight, received by others or by an interrupted run: those of a run are visible \
                 again two minutes after the time that it would have taken"
            );
        }
        if self.repeated > 0 {
            say!(
                "{} were dead-lettered again, or may have been sent: a run sends a message once; fix the cause before the next \
                 run",
                self.repeated
            );
        }
        self.print_deduplication();
        self.print_records(route);
        if route.from.is_fifo() && (remain > 0 || unseen > 0 || dry_run) {
            say!("{FIFO_CAVEAT}");
        }
    }

    /// The queues, with counts if there are several.
    fn queues(&self, route: &Route<'_>) -> String {
        match self.redriven.first_key_value() {
            None => (route.targets.single()).map_or_else(|| route.targets.names(), |queue| queue.name().to_owned()),
            Some((name, _)) if self.redriven.len() == 1 => name.clone(),
            Some(_) => {
                let counts = self.redriven.iter().map(|(name, count)| format!("{name} ({count})"));
                counts.collect::<Vec<_>>().join(" and ")
            }
        }
    }

    fn print_deduplication(&self) {
        if self.lost > 0 {
            say!(
                "{} lost the deduplication ID that the producer set, because SQS replaces it when it moves a message: a handler \
                 that uses `deduplication_id()` repeats their work if it was done before",
                self.lost
            );
        }
        if self.computed > 0 {
            say!(
                "{} have the deduplication ID that SQS computes from the body, because their queue has content-based \
                 deduplication: it is wrong if the producer set another",
                self.computed
            );
        }
    }

    fn print_records(&self, route: &Route<'_>) {
        if self.unchecked > 0 {
            say!(
                "{} name no function, so their records were not checked: a message with a REJECTED record is rejected \
                 again; pass --namespace to delete these records, or run `operator unlock` for a key that is not the \
                 message ID",
                self.unchecked
            );
        }
        // The table may be the wrong one, or there is nothing to delete.
        if self.with_function.all_missing() {
            say!(
                "none of {} messages with a function has a record in table {}: check --table; expected in natural mode, \
                 which keeps no records, if all rejected keys were unlocked, or if none was rejected, because a failure at \
                 the last receive leaves no record",
                self.with_function.checked,
                route.ledger.table
            );
        }
        if let Some(namespace) = route.namespace.filter(|_| self.in_namespace.all_missing()) {
            let others = match self.seen.functions() {
                none if none.is_empty() => none,
                functions => format!(" (other messages name {functions})"),
            };
            say!(
                "none of {} messages without a function has a record in namespace {} of table {}: check --namespace{others} \
                 and --table; expected if no message was rejected, because a retry leaves no record",
                self.in_namespace.checked,
                printable(namespace),
                route.ledger.table
            );
        }
    }
}
