#![doc = include_str!("../README.md")]

mod clock;
mod cost;
mod growth;
mod in_process;
mod instructions;
mod orders;
mod plot;
mod stack;
mod stretch;
mod table;
mod whole;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::Stop;

/// Measure what a message costs a function
///
/// The programs are examples of shared/lambda, built with --release: validate_order in both modes, in_process, its handler without
/// Lambda, and floor, the Lambda runtime alone. The ledger is the emulated DynamoDB; of in_process, one in memory.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// CPU, latency, requests to the ledger, start-up, memory and size, as multiples of the floor in the same run
    Cost(cost::Args),
    /// How the cost of a message grows with batch size, duplicates, concurrency and records: tables and plots
    Growth(growth::Args),
    /// Compare instructions, requests and connections with the committed figures; needs valgrind
    Instructions(instructions::Args),
}

/// Where the programs are.
#[derive(clap::Args)]
pub(crate) struct Programs {
    /// The folder with the programs
    #[arg(long = "programs", value_name = "DIR", default_value = "target/release/examples")]
    folder: PathBuf,
}

pub(crate) type Failed = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    match bench(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<_> = cli::causes(&*error).map(ToString::to_string).collect();
            eprintln!("error: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn bench(args: Cli) -> Result<ExitCode, Failed> {
    let mut stop = Stop::listen()?;
    let task = async {
        match args.task {
            Task::Cost(args) => cost::cost(&args).await,
            Task::Growth(args) => growth::growth(&args).await,
            Task::Instructions(args) => instructions::instructions(&args).await,
        }
    };
    tokio::select! {
        code = task => code,
        code = stop.requested() => Ok(code),
    }
}
