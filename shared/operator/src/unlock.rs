//! `operator unlock`: the end of a dead lease, or of a rejection.

use std::process::ExitCode;

use clap::Args;
use cli::say;
use idempotency::{Record, Status, Timestamp};

use crate::confirm::confirmed;
use crate::{Outcome, RecordArgs, record, time};

#[derive(Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    of: RecordArgs,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: UnlockArgs) -> Outcome {
    let RecordArgs { key, table, endpoint } = args.of;
    let (id, name) = (key.record_id(), &table.name);
    let ledger = table.ledger(&endpoint).await?;
    // What is shown and what is held against the table later are one and the same.
    let Some(item) = ledger.item(&key).await? else {
        return Err(format!("there is no record {id} in table {name}: nothing locks it").into());
    };
    let seen = Record::from_item(&key, &item)?;
    let now = Timestamp::now();
    say!("{}", record::text(&key, &item, now));
    match seen.status {
        Status::InProgress => eprintln!("{}", warning(&seen, now)),
        Status::Completed => {
            return Err(format!(
                "{id} is COMPLETED, and not locked: without its record the work would be repeated; its outgoing messages, \
                 if any are left, are sent with its next delivery"
            )
            .into());
        }
        Status::Rejected => eprintln!("warning: the next delivery under this key is worked again"),
    }
    if !confirmed(&format!("Unlock {id}?"), args.yes)? {
        return Err("nothing was changed".into());
    }
    if !ledger.delete_record(&key, &seen).await? {
        return Err(format!("{id} has changed since it was shown, and was left as it is: look at it again").into());
    }
    say!("unlocked {id}");
    Ok(ExitCode::SUCCESS)
}

fn warning(seen: &Record, now: Timestamp) -> String {
    let lease = match seen.lease_end {
        Some(end) if end > now => format!("its lease holds for another {}", time::length(now.until(end))),
        Some(_) => "its lease is over, and the next message with this key takes it over without this".to_owned(),
        None => "its lease has no end, but that of the record".to_owned(),
    };
    format!("warning: if its holder still works, its work is done twice; {lease}")
}
