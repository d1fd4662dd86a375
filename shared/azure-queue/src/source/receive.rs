//! Receiving.

use std::sync::atomic::Ordering;
use std::time::Duration;

use consumer::{Incoming, doubled};
use tokio::time::{Instant, timeout};

use super::{AzureQueueReceipt, AzureQueueSource};
use crate::fault::Fault;
use crate::incoming::incoming;
use crate::xml::Message;

type Received = Vec<(Incoming, AzureQueueReceipt)>;

/// How long a receive waits for a first message.
const WAIT: Duration = Duration::from_secs(10);
/// Between requests to an empty queue: the first delay, which doubles, and the longest one. Each request is paid for.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

impl AzureQueueSource {
    pub(super) async fn wait_for_messages(&self, max: usize) -> Result<Received, Fault> {
        let end = Instant::now() + WAIT;
        while max > 0 && !*self.closed.borrow() && Instant::now() < end {
            let client = &self.queues.client;
            let messages = client.get(&self.url.queue, max, self.about.window).await?;
            if messages.is_empty() {
                let empty = self.empty.fetch_add(1, Ordering::Relaxed);
                self.pause(delay(empty)).await;
                continue;
            }
            self.empty.store(0, Ordering::Relaxed);
            let received = self.decoded(messages);
            if !received.is_empty() {
                return Ok(received);
            }
        }
        Ok(Received::new())
    }

    /// Ends early if the source is closed.
    async fn pause(&self, delay: Duration) {
        let mut closed = self.closed.subscribe();
        // The sender lives as long as `self`, so the wait itself can't fail.
        let _ = timeout(delay, closed.wait_for(|closed| *closed)).await;
    }

    /// Those that can be decoded. The others are moved meanwhile.
    fn decoded(&self, messages: Vec<Message>) -> Received {
        let (mut received, mut undecodable) = (Received::new(), Vec::new());
        for message in messages {
            match incoming(&self.url, &message) {
                Ok(incoming) => received.push((incoming, AzureQueueReceipt::of(message))),
                Err(why) => undecodable.push((message, why)),
            }
        }
        self.mover.start(undecodable);
        received
    }
}

/// The delay after this many empty answers. Half of it is random, so that workers do not all poll at once.
fn delay(empty: u32) -> Duration {
    doubled(FIRST_DELAY, empty, LONGEST_DELAY).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_of_an_empty_queue_double_up_to_five_seconds() {
        for (empty, longest) in [(0, 100), (1, 200), (5, 3200), (6, 5000), (u32::MAX, 5000)] {
            let longest = Duration::from_millis(longest);
            let delays: Vec<_> = (0..100).map(|_| delay(empty)).collect();
            assert!(
                delays.iter().all(|delay| (longest / 2..=longest).contains(delay)),
                "{empty}"
            );
            assert!(delays.iter().any(|delay| *delay != delays[0]), "{empty}");
        }
    }
}
