//! Which store the records are in.

use std::fmt;

use host::{SettingError, optional_setting, table};

pub(crate) const TABLE: &str = "IDEMPOTENCY_TABLE";
pub(crate) const DATABASE: &str = "DATABASE_URL";

/// Where records are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum LedgerStore {
    /// In the DynamoDB table of this name or ARN.
    DynamoDb(String),
    /// In the PostgreSQL database at this URL, which may contain a password.
    PostgreSql(String),
}

/// Without the URL, because of its password.
impl fmt::Debug for LedgerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DynamoDb(table) => f.debug_tuple("DynamoDb").field(table).finish(),
            Self::PostgreSql(_) => f.debug_tuple("PostgreSql").finish_non_exhaustive(),
        }
    }
}

/// The store that the environment names: `IDEMPOTENCY_TABLE` or `DATABASE_URL`.
///
/// A binary whose handler commits writes reads it once, and builds the handler for this store.
///
/// # Errors
///
/// [`SettingError`] if none or both are set, or one is invalid. A URL is not quoted.
pub fn ledger_store() -> Result<LedgerStore, SettingError> {
    let database = optional_setting(DATABASE)?;
    let is_table_set = optional_setting(TABLE)?.is_some();
    match (database, is_table_set) {
        (Some(_), true) => Err(SettingError::wrong(
            DATABASE,
            format!("is set, and {TABLE} is too: records are in one store, so remove one of them"),
        )),
        (Some(url), false) => Ok(LedgerStore::PostgreSql(url)),
        (None, true) => table(TABLE).map(LedgerStore::DynamoDb),
        (None, false) => Err(SettingError::wrong(
            TABLE,
            format!("is not set, nor is {DATABASE}: name the table of the ledger, or its database"),
        )),
    }
}

impl LedgerStore {
    /// The error of a handler whose writes are for the other store.
    pub(crate) fn wrong_store(&self) -> SettingError {
        let (set, store, instead) = match self {
            Self::DynamoDb(_) => (TABLE, "PostgreSQL", DATABASE),
            Self::PostgreSql(_) => (DATABASE, "DynamoDB", TABLE),
        };
        let problem = format!("is set, but the handler's writes are for {store}: set {instead} instead");
        SettingError::wrong(set, problem)
    }
}
