//! The operators' command line.

mod confirm;
mod dlq;
mod endpoint;
mod inspect;
mod record;
mod table;
mod time;
mod trouble;
mod unlock;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use idempotency::Key;

use crate::endpoint::EndpointArgs;
use crate::table::TableArgs;

/// Look into the ledger, free a key, send dead letters back to where they came from.
///
/// Works on the stack or emulator that --endpoint-url or AWS_ENDPOINT_URL names, and else on AWS, with the
/// credentials and the region that the AWS CLI would use.
#[derive(Parser)]
#[command(name = "operator", version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 something is wrong or not there, 2 wrong usage, 130 interrupted by Ctrl-C (143 by SIGTERM).";

#[derive(Subcommand)]
enum Command {
    /// Show what the ledger knows of a key
    ///
    /// Exit status 1 if it knows nothing.
    Inspect(inspect::InspectArgs),
    /// Free a key: delete the claim of a holder who will not come back, or a REJECTED record
    ///
    /// Its next message is worked at once. Without this a claimed key is free when its lease ends, and a rejected one
    /// when its record expires, or when `dlq redrive` clears it, which does not know the keys that a function takes
    /// from an envelope, a deduplication ID or its business. What is done is refused.
    #[command(verbatim_doc_comment)]
    Unlock(unlock::UnlockArgs),
    /// See what is in a dead-letter queue, and send it back
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
}

/// Whose record.
#[derive(Args)]
pub(crate) struct RecordArgs {
    /// The record's ID: NAMESPACE#KEY, such as place-order#2e9b785d-6ad6-4b7a-9a27-3a2b0a1f5c11
    #[arg(value_name = "KEY", value_parser = record_id)]
    key: Key,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

fn record_id(text: &str) -> Result<Key, String> {
    if !text.contains('#') {
        return Err("the '#' is missing: KEY is NAMESPACE#KEY, such as place-order#MESSAGE-ID".to_owned());
    }
    Key::from_record_id(text).map_err(|why| format!("{why}; write it as NAMESPACE#KEY, such as place-order#MESSAGE-ID"))
}

pub(crate) type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(args).await,
        Command::Unlock(args) => unlock::run(args).await,
        Command::Dlq(command) => dlq::run(command).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", trouble::chain(&*error));
            ExitCode::FAILURE
        }
    }
}
