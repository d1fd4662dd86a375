//! `operator inspect`: the record of a key.

use std::process::ExitCode;

use clap::Args;
use cli::say;
use idempotency::Timestamp;

use crate::{Outcome, RecordArgs, record};

#[derive(Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    record: RecordArgs,
    /// Print JSON, with every attribute as stored in the table
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: InspectArgs) -> Outcome {
    let RecordArgs { key, table, endpoint } = args.record;
    let ledger = table.ledger(&endpoint).await?;
    let Some(item) = ledger.item(&key).await? else {
        return Err(format!(
            "there is no record {} in table {}: the key was never claimed, its record has expired, or its last attempt failed \
             and released it; why it failed is in the log, and in its dead letter if it has one",
            key.record_id(),
            ledger.table
        )
        .into());
    };
    match args.json {
        true => say!("{:#}", record::json(&item)),
        false => say!("{}", record::text(&key, &item, Timestamp::now())),
    }
    Ok(ExitCode::SUCCESS)
}
