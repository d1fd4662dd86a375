//! Which messages of a queue are meant, and what to say if none is.

use std::collections::BTreeMap;

use clap::Args;

use cli::printable;

use super::letter::DeadLetter;

/// Which messages.
#[derive(Args)]
pub(super) struct Chosen {
    /// Only those on which this function gave up, named by its namespace
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// So many messages at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl Chosen {
    /// Whether what is chosen may lie behind what is not.
    pub(super) fn picks(&self) -> bool {
        self.function.is_some() || self.reason.is_some()
    }

    /// How many at most.
    pub(super) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    pub(super) fn has(&self, letter: &DeadLetter) -> bool {
        let function = self.function.as_deref();
        let reason = self.reason.as_deref();
        function.is_none_or(|function| letter.function() == Some(function))
            && reason.is_none_or(|reason| letter.reason().contains(reason))
    }
}

/// What was met, chosen or not.
#[derive(Default)]
pub(super) struct Met {
    /// How many are of each function.
    functions: BTreeMap<String, u64>,
    /// How many don't tell theirs.
    untold: u64,
    chosen: u64,
}

impl Met {
    pub(super) fn add(&mut self, letter: &DeadLetter, chosen: bool) {
        match letter.function() {
            Some(function) => *self.functions.entry(function.to_owned()).or_default() += 1,
            None => self.untold += 1,
        }
        self.chosen += u64::from(chosen);
    }

    /// If there is something, but nothing that was meant: what there is instead.
    pub(super) fn nothing_of(&self, chosen: &Chosen) -> Option<String> {
        let all = self.functions.values().sum::<u64>() + self.untold;
        if all == 0 || self.chosen > 0 {
            return None;
        }
        let function = chosen.function.as_deref();
        let of_function = function.map_or(all, |function| {
            self.functions.get(function).copied().unwrap_or_default()
        });
        Some(match function {
            Some(function) if of_function == 0 => {
                let function = printable(function);
                format!("none of {all} is of function {function}; there are: {}", self.kinds())
            }
            _ => format!("none of {of_function} has such a reason: `operator dlq list` shows those there are"),
        })
    }

    /// The functions of those that tell, by their namespaces.
    pub(super) fn functions(&self) -> String {
        let names: Vec<_> = self.functions.keys().map(|name| printable(name)).collect();
        names.join(", ")
    }

    fn kinds(&self) -> String {
        match (self.functions(), self.untold) {
            (functions, 0) => functions,
            (functions, untold) if functions.is_empty() => format!("{untold} that don't tell"),
            (functions, untold) => format!("{functions}, and {untold} that don't tell"),
        }
    }
}
