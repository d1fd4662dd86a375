//! Which messages of a queue are selected, and what to report if none is.

use std::collections::BTreeMap;

use clap::Args;

use cli::printable;

use super::dead_letter::DeadLetter;
use super::reason::{listed, masked};

/// Which messages are selected.
#[derive(Args)]
pub(super) struct Filter {
    /// Only messages that this function dead-lettered, given by its namespace
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only messages whose code or reason contains this text, in full or as `dlq list` shows it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// At most this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl Filter {
    /// Whether a selected message may be behind one that is not selected.
    pub(super) fn skips_some(&self) -> bool {
        self.function.is_some() || self.reason.is_some()
    }

    /// How many messages a run selects at most, in words: of about `visible` in the queue.
    pub(super) fn extent(&self, visible: u64) -> String {
        let of = match self.skips_some() {
            true => format!("the selected ones of about {visible} messages"),
            false => format!("about {visible} messages"),
        };
        match self.limit {
            Some(limit) if limit < visible => format!("at most {limit} of {of}"),
            _ => of,
        }
    }

    /// The highest number of messages.
    pub(super) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    pub(super) fn selects(&self, dead_letter: &DeadLetter) -> bool {
        let function = self.function.as_deref();
        let has_reason = |text: &str| {
            let reason = dead_letter.reason();
            // The list shows it unmasked if all messages of a group have one.
            let shown = |reason: &str| printable(&listed(dead_letter.code(), reason)).contains(text);
            reason.contains(text) || shown(reason) || shown(&masked(reason))
        };
        function.is_none_or(|function| dead_letter.function() == Some(function))
            && self.reason.as_deref().is_none_or(has_reason)
    }
}

/// Counts of the messages seen, selected or not.
#[derive(Default)]
pub(super) struct SeenCounts {
    /// How many name each function.
    functions: BTreeMap<String, u64>,
    /// How many name none.
    without_function: u64,
    /// How many come from the queue that is selected.
    of_source: u64,
    selected: u64,
}

impl SeenCounts {
    pub(super) fn add(&mut self, dead_letter: &DeadLetter, of_source: bool, selected: bool) {
        match dead_letter.function() {
            Some(function) => *self.functions.entry(function.to_owned()).or_default() += 1,
            None => self.without_function += 1,
        }
        self.of_source += u64::from(of_source);
        self.selected += u64::from(selected);
    }

    /// If messages were seen but none was selected: what the queue holds instead.
    pub(super) fn none_selected(&self, filter: &Filter) -> Option<String> {
        let all = self.functions.values().sum::<u64>() + self.without_function;
        if all == 0 || self.selected > 0 {
            return None;
        }
        if self.of_source == 0 {
            return Some(format!(
                "none of {all} messages came from the queue of --source: `operator dlq list` shows where they come from"
            ));
        }
        let function = filter.function.as_deref();
        let of_function = function.map_or(all, |function| {
            self.functions.get(function).copied().unwrap_or_default()
        });
        Some(match function {
            Some(function) if of_function == 0 => {
                let function = printable(function);
                format!(
                    "none of {all} messages names function {function}; the queue holds {}",
                    self.contents()
                )
            }
            _ => format!("none of {of_function} messages has a matching reason: `operator dlq list` shows the reasons"),
        })
    }

    /// The functions that messages name.
    pub(super) fn functions(&self) -> String {
        let names: Vec<_> = self.functions.keys().map(|name| printable(name)).collect();
        names.join(", ")
    }

    fn contents(&self) -> String {
        match (self.functions(), self.without_function) {
            (functions, 0) => functions,
            (functions, count) if functions.is_empty() => format!("{count} without a function"),
            (functions, count) => format!("{functions}, and {count} without a function"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_confirmation_states_the_limit_and_the_selection() {
        let filter = |reason: Option<&str>, limit| Filter {
            function: None,
            reason: reason.map(str::to_owned),
            limit,
        };
        for (reason, limit, expected) in [
            (None, None, "about 9 messages"),
            (None, Some(9), "about 9 messages"),
            (None, Some(1), "at most 1 of about 9 messages"),
            (Some("sum"), None, "the selected ones of about 9 messages"),
            (
                Some("sum"),
                Some(1),
                "at most 1 of the selected ones of about 9 messages",
            ),
        ] {
            assert_eq!(filter(reason, limit).extent(9), expected);
        }
    }
}
