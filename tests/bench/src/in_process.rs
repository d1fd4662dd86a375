//! Processing and the protocol of the ledger alone: one process, without Lambda, requests and a database.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Failed;
use crate::stretch::quantile;
use crate::table::table;

/// What a message cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InProcess {
    mode: String,
    messages: String,
    /// For each message.
    cpu_us: f64,
    /// For each batch.
    p50_us: f64,
}

/// One run of the program.
pub(crate) fn run(program: &Path, batches: usize) -> Result<Vec<InProcess>, Failed> {
    let output = Command::new(program)
        .arg(batches.to_string())
        .output()
        .map_err(|error| format!("{} can't be run: {error}; .ci/bench builds it", program.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed: {}", program.display(), reason.trim()).into());
    }
    figures(&String::from_utf8(output.stdout)?)
}

fn figures(lines: &str) -> Result<Vec<InProcess>, Failed> {
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The median of each figure over runs, which print the same lines.
pub(crate) fn medians(runs: &[Vec<InProcess>]) -> Vec<InProcess> {
    let of = |line: usize, figure: fn(&InProcess) -> f64| {
        let figures: Vec<_> = runs.iter().filter_map(|run| run.get(line)).map(figure).collect();
        quantile(&figures, 0.5)
    };
    let first = runs.first().into_iter().flatten().enumerate();
    first
        .map(|(line, figures)| InProcess {
            cpu_us: of(line, |figures| figures.cpu_us),
            p50_us: of(line, |figures| figures.p50_us),
            ..figures.clone()
        })
        .collect()
}

pub(crate) fn printed(figures: &[InProcess]) -> String {
    let rows = figures.iter().map(|figures| {
        [
            figures.mode.clone(),
            figures.messages.clone(),
            format!("{:.2}", figures.cpu_us),
            format!("{:.0}", figures.p50_us),
        ]
    });
    table(["mode", "messages", "CPU µs/message", "p50 µs/batch"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cpu_us: f64, p50_us: f64) -> Vec<InProcess> {
        let line =
            |messages| format!(r#"{{"mode":"one step","messages":"{messages}","cpu_us":{cpu_us},"p50_us":{p50_us}}}"#);
        figures(&format!("{}\n{}\n", line("fresh"), line("duplicate"))).unwrap()
    }

    #[test]
    fn each_figure_is_the_median_of_the_runs() {
        let medians = medians(&[run(3.0, 10.0), run(1.0, 30.0), run(2.0, 20.0)]);
        assert_eq!(medians, run(2.0, 20.0));
    }

    #[test]
    fn what_is_no_figure_is_an_error() {
        assert!(figures("error: no figures\n").is_err());
        assert!(figures(r#"{"mode":"one step","messages":"fresh","cpu_us":1}"#).is_err());
    }
}
