//! Many messages: what a worker remembers does not grow with them.

use std::sync::Arc;

use consumer::{Delivery, Failure, Handler, Incoming, MemorySource, MessageId, RawBody, Services, Source, Stop};
use idempotency::{Completion, NoWrites};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::groups::Groups;
use crate::process::Processing;
use crate::receipts::Receipts;
use service::{Metrics, Observed};

struct Trivial;

impl Handler for Trivial {
    type Message = RawBody;
    type Write = NoWrites;
    const NAMESPACE: &str = "trivial";
    const MODE: consumer::Mode = consumer::Mode::Natural;

    async fn handle(&self, _: RawBody, _: &Delivery) -> Result<Completion, Failure> {
        Ok(Completion::new())
    }
}

const MESSAGES: u32 = 100_000;

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_messages_that_are_done() {
    let metrics = Metrics::new("worker").of_queue("memory", &[]);
    let receipts = Receipts::new(Arc::new(MemorySource::fifo()), metrics.clone());
    let processing = Arc::new(Processing {
        handler: Arc::new(Trivial),
        services: Services::in_memory(),
        source: receipts.source(),
        receipts: Arc::clone(&receipts),
        groups: Groups::new(),
        tasks: TaskTracker::new(),
        stop: Stop::new(),
        stopping: CancellationToken::new(),
        observed: Observed {
            system: "memory",
            queue: "memory".to_owned(),
            metrics,
            logs_messages: false,
        },
        clock: idempotency::Timestamp::now,
    });
    let settling = Arc::clone(&receipts);
    let settling = tokio::spawn(async move { settling.run().await });
    let permits = Arc::new(Semaphore::new(10));
    for first in (0..MESSAGES).step_by(10) {
        for number in first..first + 10 {
            processing.source.send(Incoming {
                group: Some(format!("group-{}", number / 2)),
                ..Incoming::new(MessageId::new(format!("m-{number}")).unwrap(), "")
            });
        }
        let received = processing.source.receive(10).await.unwrap();
        let free = Arc::clone(&permits).acquire_many_owned(10).await.unwrap();
        processing.start(received, free);
    }
    let _all = permits.acquire_many(10).await.unwrap();
    receipts.close();
    settling.await.unwrap();
    assert_eq!(processing.source.deleted().len(), MESSAGES as usize);
    assert!(receipts.is_empty() && processing.groups.is_empty() && processing.tasks.is_empty());
}
