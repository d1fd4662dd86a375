#![doc = include_str!("../README.md")]

mod broker;
mod check;
mod disturb;
mod faults;
mod harness;
mod load;
mod long;
mod on_premises;
mod place;
mod process;
mod queues;
mod receiver;
mod run;
mod scenario;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cli::Stop;

use crate::scenario::Scenario;
use crate::servers::System;

/// Kill, stop and cut off worker processes, and check what is promised
///
/// Exit status 0 only if every promise held.
#[derive(Parser)]
#[command(name = "workers", version)]
struct Cli {
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed of random choices. Processes are scheduled differently in each run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this scenario
    #[arg(long)]
    only: Option<Scenario>,
    /// Only on this system [default: all whose servers there are]
    #[arg(long)]
    system: Option<System>,
    /// How many scenarios run side by side
    #[arg(long, default_value_t = 5)]
    jobs: usize,
    /// Measure throughput instead
    #[arg(long)]
    load: bool,
    /// With --load: how many messages of each kind. From 100,000 on, memory is measured as well
    #[arg(long, default_value_t = 5000, requires = "load")]
    messages: u64,
    /// The folder with the workers' programs
    #[arg(long, value_name = "DIR", default_value = "target/debug")]
    programs: PathBuf,
}

pub(crate) use workers::Failed;

#[tokio::main]
async fn main() -> ExitCode {
    match workers(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<_> = cli::causes(&*error).map(ToString::to_string).collect();
            eprintln!("error: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn workers(args: Cli) -> Result<ExitCode, Failed> {
    let mut stop = Stop::listen()?;
    let all = async {
        match args.load {
            true => load::load(&args).await,
            false => run::run(&args).await,
        }
    };
    tokio::select! {
        held = all => Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        code = stop.requested() => Ok(code),
    }
}
