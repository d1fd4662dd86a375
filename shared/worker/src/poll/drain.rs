//! The end of a loop: what is in process is finished, what is done is deleted, the rest is returned.

use std::time::Duration;

use consumer::{Handler, Queues, Source};
use idempotency::Store;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{Loop, Polled};
use crate::health::TURN;
use crate::process::Processing;
use crate::worker::WorkerError;

/// How long the last deletes may take.
const LAST_SETTLING: Duration = Duration::from_secs(10);

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source> Loop<H, S, Q, R> {
    /// Ends what runs. Messages that were not started are visible at once; what is done is deleted.
    pub(super) async fn drain(
        &self,
        mut polls: JoinSet<Polled<R::Receipt>>,
        settling: Option<AbortOnDropHandle<()>>,
    ) -> Result<(), WorkerError> {
        let Processing {
            source,
            receipts,
            tasks,
            ..
        } = &*self.processing;
        let outstanding = async {
            // What is outstanding ends by itself, too.
            let _ = timeout(LAST_SETTLING, source.close()).await;
            while let Some(polled) = polls.join_next().await {
                let received = polled.ok().and_then(|polled| polled.received.ok());
                receipts.return_now(received.unwrap_or_default(), (self.processing.clock)());
            }
        };
        let processed = async {
            tasks.close();
            tasks.wait().await;
        };
        self.turning(async { tokio::join!(outstanding, processed) }).await;
        receipts.close();
        let Some(settling) = settling else {
            return Ok(());
        };
        match self.turning(timeout(LAST_SETTLING, settling)).await {
            Ok(ended) => ended.map_err(WorkerError::Settling),
            Err(_) => {
                let messages = receipts.in_flight();
                tracing::warn!(
                    messages,
                    "some messages could not be settled before the end, and are redelivered"
                );
                Ok(())
            }
        }
    }

    /// Turns while something else is awaited.
    async fn turning<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        loop {
            self.turned();
            tokio::select! {
                output = &mut future => return output,
                () = sleep(TURN) => {}
            }
        }
    }
}
