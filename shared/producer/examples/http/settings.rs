//! Settings from environment variables.

use std::time::Duration;

use host::{SettingError, optional_setting, setting};

use crate::callers::Callers;

/// Loopback only, so that nothing is open that was not meant to be.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// The settings of the application.
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) orders_queue: String,
    pub(crate) table: String,
    pub(crate) callers: Callers,
    pub(crate) request_timeout: Duration,
}

impl Settings {
    /// Reads all of them, and checks those that the AWS SDK reads.
    pub(crate) fn from_env() -> Result<Self, SettingError> {
        const CALLERS: &str = "CALLERS";
        host::region()?;
        match aws::uses_container_credentials() {
            true => host::container_credentials()?,
            false => host::keys()?,
        }
        host::endpoints()?;
        let callers = Callers::parse(&setting(CALLERS)?);
        Ok(Self {
            listen: optional_setting("LISTEN")?.unwrap_or_else(|| DEFAULT_LISTEN.to_owned()),
            orders_queue: host::queue_url("ORDERS_QUEUE_URL")?,
            table: host::table("IDEMPOTENCY_TABLE")?,
            callers: callers.map_err(|problem| SettingError::wrong(CALLERS, problem))?,
            request_timeout: host::request_timeout()?,
        })
    }
}
