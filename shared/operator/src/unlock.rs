//! `operator unlock`: deletes the claim of a dead holder, or a rejection.

use std::process::ExitCode;

use clap::Args;
use cli::say;
use idempotency::{Record, Status, Timestamp};

use crate::confirm::confirmed;
use crate::{Outcome, RecordArgs, record, time};

#[derive(Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    record: RecordArgs,
    /// Run without confirmation
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: UnlockArgs) -> Outcome {
    let RecordArgs { key, table, endpoint } = args.record;
    let ledger = table.ledger(&endpoint).await?;
    let (id, name) = (key.record_id(), &ledger.table);
    // One read for both: the record that is shown is the one that the deletion requires to be unchanged.
    let Some(item) = ledger.item(&key).await? else {
        return Err(format!("there is no record {id} in table {name}: the key is not locked").into());
    };
    let seen = Record::from_item(&key, &item)?;
    let now = Timestamp::now();
    say!("{}", record::text(&key, &item, now));
    match seen.status {
        Status::InProgress => eprintln!("{}", warning(&seen, now)),
        Status::Completed => {
            return Err(format!(
                "cannot unlock {id}: it is COMPLETED, and without its record the work would be repeated; outgoing messages \
                 that are not sent yet are sent when its message is delivered again, or by `operator outgoing resend`"
            )
            .into());
        }
        Status::Rejected => eprintln!("warning: the next message with this key is processed again"),
    }
    if !confirmed(&format!("Unlock {id}?"), args.yes)? {
        return Err("nothing was changed".into());
    }
    if !ledger.delete_record(&key, &seen).await? {
        return Err(format!("{id} has changed since it was shown and was not deleted: inspect it again").into());
    }
    say!("unlocked {id}");
    Ok(ExitCode::SUCCESS)
}

fn warning(seen: &Record, now: Timestamp) -> String {
    let lease = match seen.lease_end {
        Some(end) if end > now => format!("its lease ends in {}", time::length(now.until(end))),
        Some(_) => "its lease is over, so the next message with this key takes it over even without unlock".to_owned(),
        None => "its record states no lease end, so the claim ends when the record expires".to_owned(),
    };
    format!("warning: if the holder is still alive, the work is done twice; {lease}")
}
