//! What a worker begins with, before anything is connected.

use std::borrow::Cow;

use consumer::Handler;
use host::{Need, PolledQueue, SettingError, accept_queues, needs, polled_queue};
use service::stopping;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::WorkerError;
use crate::health::Serving;
use crate::settings::Settings;

/// What the environment states.
pub(super) struct Start {
    pub(super) settings: Settings,
    /// What the handler sends to and writes to.
    pub(super) needs: Vec<Need>,
    /// Is cancelled by SIGTERM or SIGINT.
    pub(super) stopping: CancellationToken,
    /// Served from now on: connecting may take long.
    pub(super) serving: Serving,
}

impl Start {
    pub(super) async fn of<H: Handler>(
        handler: impl FnOnce() -> Result<H, SettingError>,
    ) -> Result<(H, Self), StartError> {
        // First: the handler may have a client of its own.
        aws::load_roots().map_err(service::StartError::from)?;
        if let Ok(PolledQueue::AzureQueue(_)) = polled_queue() {
            accept_queues(|url| Some(azure_queue::check_destination(url)));
        }
        let (handler, needs) = needs(handler);
        let (handler, settings) = (handler?, Settings::from_env()?);
        let stopping = stopping()?;
        let serving = Serving::start(Some(settings.health), 1)
            .await
            .map_err(WorkerError::from)?;
        let start = Self {
            settings,
            needs,
            stopping,
            serving,
        };
        start.connecting("connecting to the ledger");
        Ok((handler, start))
    }

    /// States what the process waits for. There is one queue.
    pub(super) fn connecting(&self, to: impl Into<Cow<'static, str>>) {
        self.serving.health.connecting(0, to);
    }
}
