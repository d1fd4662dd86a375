//! The ledger's database.

use std::fmt;

use clap::Args;
use postgres::{PostgresStore, Settings};

use crate::error;

/// The name of the table that workers use.
const TABLE: &str = "ledger";

/// The ledger's database, if it is in PostgreSQL.
#[derive(Args)]
pub(crate) struct DatabaseArgs {
    /// URL of the PostgreSQL database that has the ledger, as in DATABASE_URL of its workers
    #[arg(
        long = "database-url",
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true
    )]
    url: Option<String>,
}

/// The URL has a password.
impl fmt::Debug for DatabaseArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseArgs").finish_non_exhaustive()
    }
}

impl DatabaseArgs {
    /// Whether there is a URL. An empty variable counts as not set.
    pub(crate) fn is_given(&self) -> bool {
        self.url.as_ref().is_some_and(|url| !url.is_empty())
    }

    /// The ledger in the database, which can be used, and the name of its table.
    ///
    /// # Errors
    ///
    /// One line: why it cannot be used.
    pub(crate) async fn connect(&self) -> Result<(PostgresStore, &'static str), String> {
        let store = self.store()?;
        store.connect().await.map_err(|error| error::chain(&error))?;
        Ok((store, TABLE))
    }

    /// The ledger in the database; not connected.
    ///
    /// # Errors
    ///
    /// One line: there is no URL, or it is not valid.
    pub(crate) fn store(&self) -> Result<PostgresStore, String> {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        let url = url.ok_or("no database: pass its URL with --database-url or DATABASE_URL")?;
        let settings = Settings::from_url(url).map_err(|error| error.to_string())?;
        Ok(PostgresStore::new(settings))
    }
}
