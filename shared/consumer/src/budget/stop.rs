//! The end of a host's time, which is not known when its messages are received.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

/// Ends the time of handlers in a host that stops: shared by the [renewable](crate::Budget::renewable) budgets of all its
/// messages.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Option<Instant>>>);

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// A host that does not stop yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Handlers are cancelled at this time, those that run and those that start. A later time than before changes nothing.
    pub fn at(&self, end: Instant) {
        self.0.send_if_modified(|before| {
            let is_earlier = before.is_none_or(|before| end < before);
            if is_earlier {
                *before = Some(end);
            }
            is_earlier
        });
    }

    pub(crate) fn observed(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }
}

/// A stop, as a budget observes it.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(watch::Receiver<Option<Instant>>);

impl Stopping {
    /// When handlers are cancelled, as far as that is known.
    pub(crate) fn end(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Waits until it is another than `before`. A host that is gone does not stop any more.
    pub(crate) async fn moved(&self, before: Option<Instant>) {
        let host_is_gone = self.0.clone().wait_for(|end| *end != before).await.is_err();
        if host_is_gone {
            std::future::pending().await
        }
    }
}
