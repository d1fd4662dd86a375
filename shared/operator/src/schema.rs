//! `operator schema`: the ledger's table in PostgreSQL.

use std::process::ExitCode;

use clap::Args;
use cli::say;
use postgres::SCHEMA;

use crate::database::DatabaseArgs;
use crate::{Outcome, error};

#[derive(Args)]
pub(crate) struct SchemaArgs {
    /// Print the statements, without a database
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(crate) async fn run(args: SchemaArgs) -> Outcome {
    if args.print {
        say!("{}", SCHEMA.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let store = args.database.store()?;
    store.create_schema().await.map_err(|error| error::chain(&error))?;
    // The table may have existed, with other columns or privileges.
    let (_, table) = args.database.connect().await?;
    say!("table {table} is ready");
    Ok(ExitCode::SUCCESS)
}
