//! Instructions of a function's process, counted by callgrind, against committed figures. Unlike times, they are the same on a
//! busy machine.

mod count;
mod figures;

use std::path::PathBuf;
use std::process::ExitCode;

use cli::say;
use futures_util::future::try_join_all;

use self::count::{Counted, count};
use self::figures::{Figures, Finding};
use crate::stack::Program;
use crate::table::table;
use crate::{Failed, Programs};

/// Batches of a run; a second run has twice as many, and the difference is what a batch costs.
const BATCHES: usize = 40;

/// Processes that are started and get no batch. The fewest instructions count, because some processes open a second connection, and
/// others do not.
const STARTS: usize = 8;

/// How to compare.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    programs: Programs,
    /// The committed figures
    #[arg(long, value_name = "FILE", default_value = "tests/bench/instructions.json")]
    figures: PathBuf,
    /// Write the figures anew, after a change that is meant
    #[arg(long)]
    accept: bool,
    /// Measure so many times instead, and print how far the figures are apart
    #[arg(long, value_name = "RUNS", conflicts_with = "accept")]
    spread: Option<u32>,
}

pub(crate) async fn instructions(args: &Args) -> Result<ExitCode, Failed> {
    if let Some(runs) = args.spread {
        return spread(args, runs).await;
    }
    let now = measure(args).await?;
    if args.accept {
        now.write(&args.figures)?;
        say!(
            "{} figures are written to {}",
            now.figures.len(),
            args.figures.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let before = Figures::read(&args.figures)?;
    let findings = before.compare(&now);
    print(&before, &now);
    findings.iter().for_each(|finding| say!("{finding}"));
    let is_worse = findings.iter().any(Finding::is_worse);
    if !findings.is_empty() {
        say!("If that is meant: .ci/instructions --accept");
        if before.rustc != now.rustc {
            say!(
                "The figures are of {}, this is {}: compilers differ.",
                before.rustc,
                now.rustc
            );
        }
    }
    Ok(if is_worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All figures of all programs.
async fn measure(args: &Args) -> Result<Figures, Failed> {
    let folder = &args.programs.folder;
    let [claims, one_step] = Program::functions(folder)?;
    let mut figures = Figures::new().await?;
    for program in [Program::floor(folder)?, claims, one_step] {
        eprintln!("{} under valgrind ...", program.name);
        let start = start(&program).await?;
        let runs = [(BATCHES, 0), (2 * BATCHES, 0), (BATCHES, BATCHES)];
        let runs = runs.map(|(fresh, duplicates)| count(&program, 0, fresh, duplicates));
        let runs = try_join_all(runs).await?;
        let [once, fresh, duplicate] = <[Counted; 3]>::try_from(runs).map_err(|_| "not three runs")?;
        figures.add(
            program.name,
            "instructions until the first request for an invocation",
            start as f64,
        );
        figures.add(program.name, "connections to the ledger", once.connections as f64);
        for (messages, twice) in [("fresh messages", fresh), ("duplicates", duplicate)] {
            let of = |counted: fn(&Counted) -> u64| (counted(&twice) as f64 - counted(&once) as f64) / BATCHES as f64;
            figures.add(
                program.name,
                &format!("instructions of a batch of {messages}"),
                of(|run| run.instructions),
            );
            figures.add(
                program.name,
                &format!("requests of a batch of {messages}"),
                of(|run| run.requests),
            );
        }
    }
    Ok(figures)
}

/// The fewest instructions of processes that get no batch.
async fn start(program: &Program) -> Result<u64, Failed> {
    let mut fewest = u64::MAX;
    // In pairs: processes that start slowly are those with a second connection.
    for pair in 0..STARTS / 2 {
        let pair = [2 * pair, 2 * pair + 1].map(|run| count(program, run, 0, 0));
        let counted = try_join_all(pair).await?;
        fewest = counted
            .iter()
            .map(|counted| counted.instructions)
            .fold(fewest, u64::min);
    }
    Ok(fewest)
}

fn print(before: &Figures, now: &Figures) {
    let rows = now.figures.iter().map(|(name, now)| {
        let before = before.figures.get(name);
        let change = before.map_or_else(
            || "new".to_owned(),
            |before| format!("{:+.1} %", figures::change(*before, *now)),
        );
        let before = before.map(ToString::to_string).unwrap_or_default();
        [name.clone(), before, now.to_string(), change]
    });
    say!("{}\n", table(["figure", "before", "now", "change"], rows));
}

/// The distance of the lowest and the highest of each figure over runs.
async fn spread(args: &Args, runs: u32) -> Result<ExitCode, Failed> {
    let mut all = Vec::new();
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        all.push(measure(args).await?.figures);
    }
    let names = all.first().map(|first| first.keys().cloned().collect::<Vec<_>>());
    let rows = names.into_iter().flatten().map(|name| {
        let values = || all.iter().filter_map(|figures| figures.get(&name).copied());
        let (lowest, highest) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let apart = format!("{:.2} %", figures::change(lowest, highest));
        [name.clone(), lowest.to_string(), highest.to_string(), apart]
    });
    say!("{}", table(["figure", "lowest", "highest", "apart"], rows));
    Ok(ExitCode::SUCCESS)
}
