//! The table of what a message costs, with ratios to the floor of the same run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cli::say;
use serde_json::json;

use crate::in_process::{self, InProcess};
use crate::stack::Program;
use crate::stretch::Cost;
use crate::table::{table, times_floor};
use crate::whole::{Amount, BATCH, Size, Whole};
use crate::{Failed, Programs};

/// Of each request to the ledger.
const LATENCIES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(5)];

/// How much of a table is measured.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    programs: Programs,
    /// Rounds through all programs, of which figures are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Batches of fresh messages in a round; half as many of duplicates
    #[arg(long, default_value_t = 200)]
    batches: usize,
    /// Processes that are started in a round
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn cost(args: &Args) -> Result<ExitCode, Failed> {
    let folder = &args.programs.folder;
    let (floor, functions) = (Program::floor(folder)?, Program::functions(folder)?);
    let programs = [&floor, &functions[0], &functions[1]];
    let sizes = [
        Size::of("floor", &floor.path)?,
        Size::of("validate_order", &functions[0].path)?,
    ];
    let amount = Amount {
        batches: args.batches,
        starts: args.starts,
    };
    let in_process = in_process_rounds(args)?;
    let whole = rounds(&programs, amount, args.rounds).await?;
    if let Some(file) = &args.json {
        let figures = json!({ "in process": in_process, "whole": whole, "sizes": sizes });
        std::fs::write(file, format!("{figures:#}\n"))?;
    }
    say!("\nIn process, ledger in memory, batches of {BATCH}:\n");
    say!("{}", in_process::printed(&in_process));
    print(&whole, &sizes);
    Ok(ExitCode::SUCCESS)
}

/// Medians of processing without Lambda. Ten times as many batches, each of which takes some microseconds.
fn in_process_rounds(args: &Args) -> Result<Vec<InProcess>, Failed> {
    let program = args.programs.folder.join("in_process");
    let rounds = (0..args.rounds).map(|_| in_process::run(&program, 10 * args.batches.max(1)));
    Ok(in_process::medians(&rounds.collect::<Result<Vec<_>, _>>()?))
}

/// Medians of all programs at all latencies. Rounds alternate between programs, so that a busy moment affects all of them.
async fn rounds(programs: &[&Program], amount: Amount, rounds: u32) -> Result<Vec<Whole>, Failed> {
    let mut medians = Vec::new();
    for latency in LATENCIES {
        let mut measured = vec![Vec::new(); programs.len()];
        for round in 1..=rounds {
            for (program, measured) in programs.iter().zip(&mut measured) {
                eprintln!("{}, ledger {latency:?}, round {round} of {rounds} ...", program.name);
                measured.push(Whole::of(program, latency, amount).await?);
            }
        }
        medians.extend(measured.iter().filter_map(|rounds| Whole::median(rounds)));
    }
    Ok(medians)
}

fn print(whole: &[Whole], sizes: &[Size]) {
    for latency in LATENCIES {
        let of_latency = |whole: &&Whole| u128::from(whole.latency_ms) == latency.as_millis();
        let rows: Vec<_> = whole.iter().filter(of_latency).collect();
        let Some(floor) = rows.first() else { continue };
        say!(
            "\nWhole process, {} ms for each request to the ledger, batches of {BATCH}:\n",
            latency.as_millis()
        );
        say!("{}", batches(&rows, floor));
        say!("\n{}", starts(&rows, floor));
    }
    say!("\nSize:\n\n{}", size(sizes));
}

fn batches(rows: &[&Whole], floor: &Whole) -> String {
    let header = [
        "program",
        "messages",
        "CPU µs/message",
        "p50 ms/batch",
        "p99 ms",
        "requests/batch",
    ];
    let rows = rows.iter().flat_map(|whole| {
        let of = |messages: &str, cost: &Cost, floor: &Cost| {
            let requests = cost.requests.iter().map(|(name, count)| format!("{count:.2} {name}"));
            [
                whole.name.clone(),
                messages.to_owned(),
                times_floor(cost.cpu_us, floor.cpu_us, 1),
                times_floor(cost.p50_ms, floor.p50_ms, 2),
                format!("{:.2}", cost.p99_ms),
                requests.collect::<Vec<_>>().join(", "),
            ]
        };
        [
            of("fresh", &whole.fresh, &floor.fresh),
            of("duplicate", &whole.duplicate, &floor.duplicate),
        ]
    });
    table(header, rows)
}

fn starts(rows: &[&Whole], floor: &Whole) -> String {
    let header = [
        "program",
        "init ms",
        "first response ms",
        "peak memory MB",
        "connections",
    ];
    let megabytes = |whole: &Whole| whole.peak_memory_kb as f64 / 1024.0;
    let rows = rows.iter().map(|whole| {
        [
            whole.name.clone(),
            times_floor(whole.init_ms, floor.init_ms, 2),
            times_floor(whole.first_response_ms, floor.first_response_ms, 2),
            times_floor(megabytes(whole), megabytes(floor), 1),
            whole.connections.to_string(),
        ]
    });
    table(header, rows)
}

fn size(sizes: &[Size]) -> String {
    let kilobytes = |bytes: u64| format!("{:.0}", bytes as f64 / 1000.0);
    let rows = sizes.iter().map(|size| {
        let zip = size.zip.map_or_else(|| "no zip".to_owned(), kilobytes);
        [size.name.clone(), kilobytes(size.binary), zip]
    });
    table(["program", "binary KB", "zip KB"], rows)
}
