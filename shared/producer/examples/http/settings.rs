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
    pub(crate) orders_queue: OrdersQueue,
    pub(crate) ledger: LedgerStore,
    pub(crate) callers: Callers,
    pub(crate) request_timeout: Duration,
}

/// The queue of the orders. A queue of Cloud Tasks can't be polled: it sends its messages to a push host.
#[derive(Clone)]
pub(crate) enum OrdersQueue {
    Polled(PolledQueue),
    CloudTasks(String),
}

impl OrdersQueue {
    fn from_env() -> Result<Self, SettingError> {
        let url = setting(ORDERS_QUEUE)?;
        if !cloud_tasks::is_url(&url) {
            return host::queue(ORDERS_QUEUE).map(Self::Polled);
        }
        let wrong = |why| SettingError::wrong(ORDERS_QUEUE, format!("can't be used: {why}"));
        cloud_tasks::queue_name(&url).map_err(wrong)?;
        Ok(Self::CloudTasks(url))
    }
}

impl Settings {
    /// Reads all of them.
    pub(crate) fn from_env() -> Result<Self, SettingError> {
        const CALLERS: &str = "CALLERS";
        host::endpoints()?;
        let callers = Callers::parse(&setting(CALLERS)?);
        Ok(Self {
            listen: optional_setting("LISTEN")?.unwrap_or_else(|| DEFAULT_LISTEN.to_owned()),
            orders_queue: OrdersQueue::from_env()?,
            ledger: ledger_store()?,
            callers: callers.map_err(|problem| SettingError::wrong(CALLERS, problem))?,
            request_timeout: host::request_timeout()?,
        })
    }
}
