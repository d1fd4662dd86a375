//! A worker in this process, for `--with-worker`. README.md explains why that is the least recommended way.

use std::error::Error;
use std::num::NonZeroU32;

use consumer::{Delivery, Failure, Handler, Queues, Services, Source};
use idempotency::{Completion, NoWrites, StoreFor};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use worker::{Queue, Worker, WorkerError};

use crate::app::NAMESPACE;
use crate::order::Order;

/// Takes the place of the function `place-order`: it records each order as done, with its ID as the result.
struct RecordOrder;

impl Handler for RecordOrder {
    type Message = Order;
    type Write = NoWrites;
    const NAMESPACE: &str = NAMESPACE;

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion, Failure> {
        order.check().map_err(Failure::permanent)?;
        Ok(Completion::new().data(serde_json::json!({ "order": order.id() })))
    }
}

/// Where messages go that can't be processed, and after how many receives.
#[derive(Default)]
pub(crate) struct DeadLetters {
    pub(crate) queue: Option<String>,
    pub(crate) receives: Option<NonZeroU32>,
}

/// A worker that runs beside the HTTP server.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    ended: watch::Receiver<bool>,
    worker: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    /// Polls the queue and processes orders.
    pub(crate) fn start<S, Q, R>(store: S, queues: Q, source: R, dead_letters: DeadLetters) -> Self
    where
        S: StoreFor<NoWrites>,
        Q: Queues,
        R: Source,
    {
        let services = Services::new(store.into_store(), queues);
        let services = match dead_letters.receives {
            Some(receives) => services.with_max_receive_count(receives),
            None => services,
        };
        let services = match dead_letters.queue {
            Some(url) => services.with_dead_letter_queue(url),
            None => services,
        };
        let worker = Worker::new().with_queue(Queue::new(RecordOrder, services, source));
        let (stop, stopped) = oneshot::channel();
        let (ends, ended) = watch::channel(false);
        let run = async move {
            let result = worker
                .run(async move {
                    // Stopped, or forgotten: both end it.
                    let _ = stopped.await;
                })
                .await;
            ends.send_replace(true);
            result
        };
        Self {
            stop,
            ended,
            worker: tokio::spawn(run),
        }
    }

    /// Waits until the worker ends. By itself it does that only if its queue is missing or refuses access.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            // An error: it has ended without a word.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Drains the worker: what is in process is finished.
    pub(crate) async fn stop(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        // It may have ended before.
        let _ = self.stop.send(());
        Ok(self.worker.await??)
    }
}
