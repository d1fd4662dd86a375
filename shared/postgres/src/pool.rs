//! Connections, each used by one request at a time.

use std::sync::{Arc, Mutex, PoisonError};

use idempotency::StoreError;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Error};

use crate::Settings;
use crate::failure::failure;
use crate::pipeline::{Answers, Request, send};

/// The connections of a store.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Settings,
    permits: Semaphore,
    /// The last one that was returned is the next to be used.
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            permits: Semaphore::new(settings.max_connections),
            settings,
            idle: Mutex::default(),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends requests on one connection, and reads all answers. Waits while all connections are in use.
    ///
    /// # Errors
    ///
    /// There was no connection, or the time is up. Errors of the requests are in their answers.
    pub(crate) async fn exchange(&self, requests: &[Request<'_>]) -> Result<Answers, StoreError> {
        let about = || format!("server {}", self.settings.server());
        match timeout(self.settings.timeout, self.exchange_in_time(requests)).await {
            Ok(answers) => answers.map_err(|error| failure(&error, None, &about())),
            Err(_) => Err(StoreError::NoAnswer(
                format!("timeout after {:?} ({})", self.settings.timeout, about()).into(),
            )),
        }
    }

    /// If this is dropped, the connection is closed: a request that was not read to its end may have left a transaction open.
    async fn exchange_in_time(&self, requests: &[Request<'_>]) -> Result<Answers, Error> {
        // The semaphore is never closed. Without a permit there would be a connection more than stated, and no harm.
        let _permit = self.permits.acquire().await;
        let connection = match self.open_one() {
            Some(connection) => connection,
            None => Connection::open(&self.settings).await?,
        };
        let answers = send(&connection.client, requests).await;
        if answers.are_complete() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        Ok(answers)
    }

    fn open_one(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.client.is_closed())
    }
}

#[derive(Debug)]
struct Connection {
    client: Client,
    driver: AbortHandle,
}

impl Connection {
    async fn open(settings: &Settings) -> Result<Self, Error> {
        let (client, connection) = settings.config.connect(settings.connector.clone()).await?;
        // Its error is also that of the request that it interrupts.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { client, driver })
    }
}

/// At once, also if the server does not answer: nobody reads what would still arrive.
impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
