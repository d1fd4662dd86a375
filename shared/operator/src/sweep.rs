//! `operator sweep`: expired records in PostgreSQL are deleted.

use std::process::ExitCode;

use clap::Args;
use cli::{StopFlag, say};
use idempotency::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};

use crate::database::DatabaseArgs;
use crate::{Outcome, error};

/// Records that one transaction deletes: it takes milliseconds.
const BATCH: u32 = 500;

#[derive(Args)]
pub(crate) struct SweepArgs {
    /// Delete at most this many records [default: all that have expired]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(crate) async fn run(args: SweepArgs) -> Outcome {
    let (store, table) = args.database.connect().await?;
    let stop = StopFlag::listen()?;
    let (limit, now) = (args.limit.unwrap_or(u64::MAX), Timestamp::now());
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{pos} expired records deleted, {per_sec}") {
        bar.set_style(style);
    }
    let mut deleted = 0;
    let mut code = ExitCode::SUCCESS;
    while deleted < limit {
        if let Some(stopped) = stop.requested() {
            code = stopped;
            break;
        }
        let batch = u32::try_from(limit - deleted).unwrap_or(BATCH).min(BATCH);
        let swept = store.sweep(now, batch).await.map_err(|error| {
            format!(
                "{}; {deleted} records are deleted; run the command again",
                error::chain(&error)
            )
        })?;
        deleted += swept;
        bar.set_position(deleted);
        if swept < u64::from(batch) {
            break;
        }
    }
    bar.finish_and_clear();
    let records = if deleted == 1 { "record" } else { "records" };
    say!("deleted {deleted} expired {records} of table {table}");
    Ok(code)
}
