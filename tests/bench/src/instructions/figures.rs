//! Figures with names, in a file, and their comparison.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Failed;

/// How far instructions may be from the committed figures, in per cent. `bench instructions --spread` shows how far runs of one
/// program are apart.
const TOLERANCE: f64 = 3.0;

/// How far requests of a batch may be: the first messages of a process may share a request or not.
const REQUESTS: f64 = 0.2;

/// How far connections may be: each of those first requests may open one. Without shared requests there would be ten.
const CONNECTIONS: f64 = 2.0;

/// Figures by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Figures {
    /// The compiler.
    pub(super) rustc: String,
    pub(super) figures: BTreeMap<String, f64>,
}

/// A figure that is not what it was.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    figure: String,
    /// `None`: the file does not have it.
    before: Option<f64>,
    /// `None`: it is no longer measured.
    now: Option<f64>,
}

impl Figures {
    /// Without a figure, of the compiler in `PATH`.
    pub(super) async fn new() -> Result<Self, Failed> {
        let rustc = tokio::process::Command::new("rustc").arg("--version").output().await?;
        Ok(Self {
            rustc: String::from_utf8(rustc.stdout)?.trim().to_owned(),
            figures: BTreeMap::new(),
        })
    }

    pub(super) fn add(&mut self, program: &str, figure: &str, value: f64) {
        let value = if is_of_instructions(figure) {
            value.round()
        } else {
            value
        };
        self.figures.insert(format!("{program}: {figure}"), value);
    }

    pub(super) fn read(file: &Path) -> Result<Self, Failed> {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?)
    }

    pub(super) fn write(&self, file: &Path) -> Result<(), Failed> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        Ok(fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?)
    }

    /// What is not what it was, beyond the tolerance.
    pub(super) fn compare(&self, now: &Self) -> Vec<Finding> {
        let names: std::collections::BTreeSet<_> = self.figures.keys().chain(now.figures.keys()).collect();
        let finding = |name: &String| Finding {
            figure: name.clone(),
            before: self.figures.get(name).copied(),
            now: now.figures.get(name).copied(),
        };
        names
            .into_iter()
            .map(finding)
            .filter(|finding| !finding.is_equal())
            .collect()
    }
}

impl Finding {
    fn is_equal(&self) -> bool {
        let (Some(before), Some(now)) = (self.before, self.now) else {
            return false;
        };
        match is_of_instructions(&self.figure) {
            true => change(before, now).abs() <= TOLERANCE,
            false if self.figure.contains("connections") => (now - before).abs() <= CONNECTIONS,
            false => (now - before).abs() <= REQUESTS,
        }
    }

    /// Whether it costs more than before, or can't be compared.
    pub(super) fn is_worse(&self) -> bool {
        match (self.before, self.now) {
            (Some(before), Some(now)) => now > before,
            _ => true,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = &self.figure;
        match (self.before, self.now) {
            (Some(before), Some(now)) => {
                let (word, change) = (if now > before { "MORE" } else { "less" }, change(before, now));
                write!(f, "{word}: {figure}: {before} before, {now} now, {change:+.1} %")?;
                match is_of_instructions(figure) {
                    true => write!(f, " (tolerance {TOLERANCE} %)"),
                    false => Ok(()),
                }
            }
            (None, _) => write!(f, "NEW: {figure}: not among the committed figures"),
            (_, None) => write!(f, "GONE: {figure}: committed, but not measured"),
        }
    }
}

fn is_of_instructions(figure: &str) -> bool {
    figure.contains("instructions")
}

/// In per cent; zero if both are zero.
pub(super) fn change(before: f64, now: f64) -> f64 {
    match now == before {
        true => 0.0,
        false => (now - before) / before * 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &str = "one-step: instructions of a batch";
    const SENT: &str = "one-step: requests of a batch";

    fn figures(instructions: f64, requests: f64) -> Figures {
        let figures = [(BATCH, instructions), (SENT, requests)];
        Figures {
            rustc: "rustc".to_owned(),
            figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    fn lines(before: &Figures, now: &Figures) -> Vec<String> {
        before.compare(now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_planted_regression_is_named_with_both_figures() {
        let (before, now) = (figures(1_000_000.0, 2.0), figures(1_031_000.0, 2.0));
        let line = "MORE: one-step: instructions of a batch: 1000000 before, 1031000 now, +3.1 % (tolerance 3 %)";
        assert_eq!(lines(&before, &now), [line]);
        assert!(before.compare(&now)[0].is_worse());
    }

    #[test]
    fn a_request_more_in_every_second_batch_is_a_regression() {
        let (before, now) = (figures(1_000_000.0, 2.0), figures(1_000_000.0, 2.5));
        let line = "MORE: one-step: requests of a batch: 2 before, 2.5 now, +25.0 %";
        assert_eq!(lines(&before, &now), [line]);
        assert!(before.compare(&now)[0].is_worse());
    }

    #[test]
    fn a_connection_for_each_message_is_a_regression() {
        let of = |connections| Figures {
            rustc: String::new(),
            figures: [("one-step: connections".to_owned(), connections)].into(),
        };
        assert!(of(1.0).compare(&of(3.0)).is_empty());
        assert!(of(3.0).compare(&of(10.0))[0].is_worse());
    }

    #[test]
    fn the_spread_of_runs_is_no_finding() {
        let before = figures(1_000_000.0, 2.0);
        for same in [970_001.0, 1_000_000.0, 1_029_999.0] {
            assert!(before.compare(&figures(same, 2.0)).is_empty(), "{same}");
        }
    }

    #[test]
    fn fewer_instructions_are_reported_and_not_worse() {
        let (before, now) = (figures(1_000_000.0, 2.0), figures(900_000.0, 1.0));
        let findings = before.compare(&now);
        assert_eq!(findings.len(), 2);
        assert!(!findings.iter().any(Finding::is_worse), "{findings:?}");
        assert!(findings[0].to_string().starts_with("less: "), "{findings:?}");
    }

    #[test]
    fn a_figure_that_is_not_in_both_can_not_be_compared() {
        let (all, mut one) = (figures(1.0, 2.0), figures(1.0, 2.0));
        one.figures.remove(SENT);
        for (before, now, word) in [(&all, &one, "GONE: "), (&one, &all, "NEW: ")] {
            let findings = before.compare(now);
            assert!(
                findings[0].is_worse() && findings[0].to_string().starts_with(word),
                "{findings:?}"
            );
        }
    }

    #[test]
    fn figures_of_a_file_are_those_that_were_written() {
        let file = std::env::temp_dir().join(format!("figures-{}.json", std::process::id()));
        let written = figures(1_234_567.0, 2.0);
        written.write(&file).unwrap();
        let read = Figures::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!((read.rustc, read.figures), (written.rustc, written.figures));
    }
}
