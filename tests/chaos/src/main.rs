#![doc = include_str!("../README.md")]

mod causes;
mod check;
mod faults;
mod history;
mod http;
mod ledger;
mod outage;
mod processes;
mod proxy;
mod receiver;
mod report;
mod run;
mod scenario;
mod seen;
mod setup;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cli::Stop;

/// Kill and stop function processes, cut their connections, and check what is promised
///
/// Every fault alone, then all together. Exit status 0 only if every promise held.
#[derive(Parser)]
#[command(name = "chaos", version, after_help = EXIT_STATUS)]
struct Cli {
    /// How long it takes, about; all scenarios need 70
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u64).range(10..))]
    seconds: u64,
    /// The seed of all random choices [default: random]. Processes are scheduled differently in each run
    #[arg(long)]
    seed: Option<u64>,
    /// Only the scenarios whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The SAM template that names what runs
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
}

const EXIT_STATUS: &str = "\
Exit status: 0 all held, 1 not, or something is wrong, 2 wrong usage, 130 interrupted by Ctrl-C (143 by SIGTERM).";

const WRONG_USAGE: u8 = 2;

pub(crate) type Failed = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    match chaos(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<_> = cli::causes(&*error).map(ToString::to_string).collect();
            eprintln!("error: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn chaos(args: Cli) -> Result<ExitCode, Failed> {
    let mut stop = Stop::listen()?;
    let scenarios = match scenario::named(&args.only) {
        Ok(scenarios) => scenarios,
        Err(why) => {
            eprintln!("error: --only: {why}");
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    tokio::select! {
        held = run::run(&args.template, args.seconds, seed, &scenarios) => {
            Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        code = stop.requested() => Ok(code),
    }
}
