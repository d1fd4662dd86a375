//! Messages to more queues than are sent to at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consumer::{
    Delivery, Failure, Handler, Limits, MemoryQueues, QueueError, QueueMessage, Queues, Services, Verdict,
    process_batch,
};
use idempotency::{Completion, MemoryStore, OutgoingMessage};

use crate::common::{Effect, Message, STANDARD, batch_of, ten_seconds};

const QUEUES: usize = 25;

fn name(queue: usize) -> String {
    format!("https://sqs/1/queue-{queue}")
}

/// Sends a message to each queue.
struct Spreading;

impl Handler for Spreading {
    type Message = u8;
    type Write = Effect;
    const NAMESPACE: &'static str = "spreading";

    async fn handle(&self, _: u8, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        let messages = (0..QUEUES).map(|queue| OutgoingMessage::new(name(queue), "{}"));
        Ok(messages.fold(Completion::new(), Completion::send))
    }
}

/// Queues that count the requests they work on.
#[derive(Default)]
struct Counting {
    queues: MemoryQueues,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Queues for Counting {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        self.most
            .fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.queues.send(queue, messages).await
    }

    fn limits(&self, queue: &str) -> Limits {
        self.queues.limits(queue)
    }
}

#[tokio::test(start_paused = true)]
async fn ten_queues_at_a_time_are_sent_to() {
    let services = Services::new(MemoryStore::<Effect>::new(), Counting::default());
    let batch = batch_of(STANDARD, [Message::new("m-1", "0")]);
    let report = process_batch(&Arc::new(Spreading), &services, batch.messages, false, &ten_seconds()).await;
    assert_eq!(report.verdicts, [Verdict::Done]);
    let queues = services.queues();
    assert_eq!(queues.most.load(Ordering::SeqCst), 10);
    assert!((0..QUEUES).all(|queue| queues.queues.sent(&name(queue)).len() == 1));
}
