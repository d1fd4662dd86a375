//! How the cost of a message grows.

mod fill;
mod sweeps;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use cli::say;
use serde_json::json;

use self::sweeps::{Sweep, batch_sizes, concurrency, duplicates, records};
use crate::stack::Program;
use crate::table::table;
use crate::{Failed, Programs};

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    programs: Programs,
    /// Write the plots to this folder
    #[arg(long, value_name = "DIR", default_value = "tests/bench")]
    plots: PathBuf,
    /// The largest number of records in the ledger; a million take 2 GB of memory
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn growth(args: &Args) -> Result<ExitCode, Failed> {
    let programs = Program::functions(&args.programs.folder)?;
    let sweeps = [
        batch_sizes(&programs).await?,
        duplicates(&programs).await?,
        concurrency(&programs).await?,
        records(&programs, args.records).await?,
    ];
    for sweep in &sweeps {
        let file = args.plots.join(format!("{}.svg", sweep.file));
        fs::write(&file, sweep.plot().svg()).map_err(|error| format!("{}: {error}", file.display()))?;
        say!("\n{}\n\n{}", sweep.title, rows(sweep));
    }
    if let Some(file) = &args.json {
        let named = sweeps.iter().map(|sweep| (sweep.file, json!(sweep)));
        let figures: serde_json::Map<_, _> = named.map(|(name, sweep)| (name.to_owned(), sweep)).collect();
        fs::write(file, format!("{:#}\n", json!(figures)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(sweep: &Sweep) -> String {
    let rows = sweep.lines.iter().flat_map(|(name, points)| {
        points.iter().map(|point| {
            [
                name.clone(),
                point.step.to_string(),
                format!("{:.1}", point.cpu_us),
                format!("{:.2}", point.p50_ms),
                format!("{:.2}", point.requests),
                format!("{:.0}", point.messages_a_second),
            ]
        })
    });
    let header = [
        "",
        sweep.x_label,
        "CPU µs/message",
        "p50 ms/batch",
        "requests/message",
        "messages/s",
    ];
    table(header, rows)
}
