//! The operators' commands.

mod confirm;
mod database;
mod dlq;
mod endpoint;
mod error;
mod inspect;
mod ledger;
mod outgoing;
mod queue;
mod record;
mod schema;
mod sweep;
mod table;
mod time;
mod unlock;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use idempotency::Key;

use crate::endpoint::EndpointArgs;
use crate::table::TableArgs;

/// Inspect the ledger, unlock a key, send outgoing messages again, list and redrive dead letters.
///
/// The ledger is a table of DynamoDB, or in the PostgreSQL database that --database-url or DATABASE_URL names.
///
/// Uses the stack or emulator that --endpoint-url or AWS_ENDPOINT_URL names. Otherwise uses AWS, with the credentials
/// and the region of the AWS CLI.
#[derive(Parser)]
#[command(name = "operator", version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 success, 1 failure or not found, 2 wrong usage, 130 interrupted by Ctrl-C (143 by SIGTERM).";

#[derive(Subcommand)]
enum Command {
    /// Show the record of a key
    ///
    /// Exit status 1 if there is none.
    Inspect(inspect::InspectArgs),
    /// Unlock a key: delete the claim of a dead holder, or a REJECTED record
    ///
    /// The next message with this key is then processed at once. Without this command, a claimed key is free when its
    /// lease ends, and a rejected key when its record expires.
    ///
    /// A redrive rarely needs it: `dlq redrive` deletes the REJECTED record of each dead letter itself. A function's dead
    /// letter states its key, also one from an envelope, a deduplication ID or a handler. A message that SQS moved states
    /// none of these. Unlock the key of such a message, or one under which the producer sends corrected work.
    ///
    /// A COMPLETED record is never deleted.
    #[command(verbatim_doc_comment)]
    Unlock(unlock::UnlockArgs),
    /// Send the outgoing messages of a completed record again
    #[command(subcommand)]
    Outgoing(outgoing::OutgoingCommand),
    /// Create the ledger's table in PostgreSQL, unless it exists
    Schema(schema::SchemaArgs),
    /// Delete expired records in PostgreSQL, which does not do so by itself
    ///
    /// A record that has expired counts as none, so that this only saves space. It deletes records that expired an hour
    /// ago or earlier, in small transactions. It can run at any time and as often as wanted; once a day is enough.
    #[command(verbatim_doc_comment)]
    Sweep(sweep::SweepArgs),
    /// List and redrive the messages of a dead-letter queue
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
}

/// The record that a command is about.
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
        return Err("the '#' is missing: write NAMESPACE#KEY, such as place-order#MESSAGE-ID".to_owned());
    }
    Key::from_record_id(text).map_err(|why| format!("{why}: write NAMESPACE#KEY, such as place-order#MESSAGE-ID"))
}

pub(crate) type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(args).await,
        Command::Unlock(args) => unlock::run(args).await,
        Command::Outgoing(command) => outgoing::run(command).await,
        Command::Schema(args) => schema::run(args).await,
        Command::Sweep(args) => sweep::run(args).await,
        Command::Dlq(command) => dlq::run(command).await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", error::chain(&*error));
            ExitCode::FAILURE
        }
    }
}
