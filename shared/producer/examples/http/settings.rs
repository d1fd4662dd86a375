//! Settings from environment variables.

use std::time::Duration;

use host::{PolledQueue, SettingError, optional_setting, setting};
use worker::{LedgerStore, ledger_store};

use crate::callers::Callers;

/// Loopback only, so that nothing is open that was not meant to be.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

pub(crate) const ORDERS_QUEUE: &str = "ORDERS_QUEUE_URL";
pub(crate) const DATABASE: &str = "DATABASE_URL";

/// The settings of the application.
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) orders_queue: PolledQueue,
    pub(crate) ledger: LedgerStore,
    pub(crate) callers: Callers,
    pub(crate) request_timeout: Duration,
}

impl Settings {
    /// Reads all of them.
    pub(crate) fn from_env() -> Result<Self, SettingError> {
        const CALLERS: &str = "CALLERS";
        host::endpoints()?;
        let callers = Callers::parse(&setting(CALLERS)?);
        Ok(Self {
            listen: optional_setting("LISTEN")?.unwrap_or_else(|| DEFAULT_LISTEN.to_owned()),
            orders_queue: host::queue(ORDERS_QUEUE)?,
            ledger: ledger_store()?,
            callers: callers.map_err(|problem| SettingError::wrong(CALLERS, problem))?,
            request_timeout: host::request_timeout()?,
        })
    }
}
