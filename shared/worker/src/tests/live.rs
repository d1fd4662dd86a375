//! Whether the process reports that it works.

use consumer::{InjectedFault, MemorySource, SourceOperation, Stop};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, pass};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::poll::{self, Shared};

pub(super) fn shared() -> Shared {
    Shared {
        stopping: CancellationToken::new(),
        stop: Stop::new(),
        health: Health::new(1),
        metrics: Metrics::new(),
    }
}

async fn is_live_for(seconds: usize, shared: &Shared) {
    for second in 0..seconds {
        pass(1.0).await;
        assert!(shared.health.is_live(), "after {second} seconds");
    }
}
