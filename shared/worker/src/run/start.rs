//! What a worker begins with, before anything is connected.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use consumer::Handler;
use host::{Need, PolledQueue, SettingError, accept_queues, needs, polled_queue};
use idempotency::Store;
use service::{Host, Program, stopping};
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::queue::on_queue;
use crate::WorkerError;
use crate::health::Serving;
use crate::settings::{HEALTH_ADDRESS, HELP, Settings, health_address};

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

impl Host for Start {
    const PROGRAM: Program = Program {
        summary: "Polls a queue and processes its messages, until SIGTERM or SIGINT.",
        settings: HELP,
        health: health_address,
        health_setting: HEALTH_ADDRESS,
    };
    type Error = StartError;

    async fn start<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> Result<(H, Self), StartError> {
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

    fn needs(&self) -> &[Need] {
        &self.needs
    }

    fn concurrency(&self) -> NonZeroUsize {
        self.settings.concurrency
    }

    async fn serve<H: Handler, S: Store<Write = H::Write>>(self, handler: H, store: S) -> Result<(), StartError> {
        on_queue(handler, store, self).await
    }
}

impl Start {
    /// States what the process waits for. There is one queue.
    pub(super) fn connecting(&self, to: impl Into<Cow<'static, str>>) {
        self.serving.health.connecting(0, to);
    }
}
