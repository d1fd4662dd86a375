//! Receiving.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use consumer::{Incoming, doubled};
use futures_util::future::join_all;
use idempotency::Timestamp;
use lapin::message::Delivery;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Feed, RabbitMqSource};
use crate::dead_letter::dead_letter;
use crate::delays::{remaining, wait_queue};
use crate::fault::Fault;
use crate::incoming::{incoming, not_before, receive_count};
use crate::queues::destination;
use crate::receipt::{acknowledge, reject};
use crate::session::Session;
use crate::{RabbitMqReceipt, copy};

type Received = Vec<(Incoming, RabbitMqReceipt)>;

/// How long a receive waits for a first message.
const WAIT: Duration = Duration::from_secs(10);
/// How long a receive tries to dead-letter messages. The rest has to wait for the next receive.
const DEAD_LETTERING: Duration = Duration::from_secs(20);
/// Between attempts to connect: the first delay, which doubles, and the longest one.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

impl RabbitMqSource {
    pub(super) async fn take(&self, feed: &mut Feed, max: usize) -> Result<Received, Fault> {
        self.connect(feed).await?;
        let Some(mut session) = feed
            .session
            .take_if(|session| max > 0 && !self.is_closed() && !session.outstanding.is_returning())
        else {
            return Ok(Received::new());
        };
        let received = self.take_from(&mut session, max).await;
        feed.session = Some(session);
        received
    }

    async fn take_from(&self, session: &mut Session, max: usize) -> Result<Received, Fault> {
        let (end, give_up) = (Instant::now() + WAIT, Instant::now() + DEAD_LETTERING);
        if self.incomplete.swap(false, Ordering::Relaxed) {
            session.declare(&self.topology).await?;
        }
        let odd = std::mem::take(&mut session.odd);
        self.sorted(session, odd, give_up).await;
        while let Some(first) = self.first(session, end).await? {
            let mut deliveries = vec![first];
            while deliveries.len() < max
                && let Some(delivery) = session.ready()
            {
                deliveries.push(delivery?);
            }
            let mut received = self.sorted(session, deliveries, give_up).await;
            if session.outstanding.is_returning() {
                // A message of the same group may be returned: these go with it, behind it.
                received.iter_mut().for_each(|(_, receipt)| receipt.leave());
                break;
            }
            if !received.is_empty() {
                return Ok(received);
            }
            if !session.first.is_empty() {
                // The next message of an ordered queue has to wait for the dead-letter queue.
                self.pause(FIRST_DELAY).await;
            }
        }
        Ok(Received::new())
    }

    /// Opens a session if there is none. One that is to return its messages is replaced once its receipts are settled.
    async fn connect(&self, feed: &mut Feed) -> Result<(), Fault> {
        if let Some(session) = feed
            .session
            .as_ref()
            .filter(|session| session.outstanding.is_returning())
        {
            // The queue gets the messages in order if they are returned all at once.
            let settled = timeout_at(Instant::now() + WAIT, session.outstanding.settled());
            tokio::select! {
                settled = settled => if settled.is_err() { return Ok(()) },
                () = self.closed() => return Ok(()),
            }
            feed.end().await;
        }
        if feed.session.is_none() && feed.failures > 0 {
            self.pause(backoff(feed.failures)).await;
        }
        if feed.session.is_none() && !self.is_closed() {
            feed.session = Some(Session::open(&self.url, &self.topology, self.prefetch).await?);
        }
        Ok(())
    }

    /// The next delivery. `None`: there was none until this time, the source is closed, or messages are to be returned before
    /// others are received.
    async fn first(&self, session: &mut Session, end: Instant) -> Result<Option<Delivery>, Fault> {
        let outstanding = Arc::clone(&session.outstanding);
        tokio::select! {
            biased;
            () = self.closed() => Ok(None),
            () = outstanding.returning() => Ok(None),
            delivery = timeout_at(end, session.next()) => delivery.ok().transpose(),
        }
    }

    async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = self.closed() => {}
            () = sleep(delay) => {}
        }
    }

    /// The messages among deliveries. One that is delivered too early is sent to a wait queue again, and one that is no message
    /// to the dead-letter queue, until this time.
    async fn sorted(&self, session: &mut Session, deliveries: Vec<Delivery>, give_up: Instant) -> Received {
        let mut received = Received::new();
        let mut deliveries = self.without_early(deliveries).await.into_iter();
        while let Some(delivery) = deliveries.next() {
            match incoming(&destination(&self.topology.queue), &delivery) {
                Ok(incoming) => received.push((incoming, RabbitMqReceipt::new(delivery, &session.outstanding))),
                Err(why) => match self.dead_letter(&delivery, &why, give_up).await {
                    Ok(()) => {}
                    Err(fault) => {
                        tracing::warn!(
                            "queue {}: a message is not dead-lettered: {fault}; {why}",
                            self.about.name
                        );
                        if self.topology.ordered {
                            session.first = [delivery]
                                .into_iter()
                                .chain(deliveries)
                                .chain(session.first.drain(..))
                                .collect();
                            break;
                        }
                        session.odd.push(delivery);
                    }
                },
            }
        }
        received
    }

    /// Sends those to a wait queue that have to wait longer. One that can't be sent is processed early.
    async fn without_early(&self, deliveries: Vec<Delivery>) -> Vec<Delivery> {
        let now = Timestamp::now();
        let waits = |delivery: &Delivery| {
            let can_wait = !self.topology.ordered && copy::fits(&delivery.properties);
            remaining(now, not_before(delivery)).filter(|_| can_wait)
        };
        let (early, mut others): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| waits(delivery).is_some());
        let copies = early.iter().filter_map(|delivery| {
            let attempts = receive_count(delivery).saturating_sub(1);
            let copy = copy::delayed(
                &delivery.properties,
                delivery.data.clone(),
                attempts,
                not_before(delivery)?,
            );
            Some((wait_queue(waits(delivery)?), copy))
        });
        let waiting = self.delay(copies.collect()).await;
        let (waiting, not_waiting): (Vec<_>, Vec<_>) =
            early.into_iter().zip(waiting).partition(|(_, waits)| waits.is_ok());
        others.extend(not_waiting.into_iter().map(|(delivery, _)| delivery));
        // If one is redelivered, because the acknowledgement is lost, its copy is a duplicate.
        join_all(waiting.iter().map(|(delivery, _)| acknowledge(&delivery.acker))).await;
        others
    }

    async fn dead_letter(&self, delivery: &Delivery, why: &str, give_up: Instant) -> Result<(), Fault> {
        let late = || {
            Fault::unavailable(format!(
                "not within {} s; the next receive tries again",
                DEAD_LETTERING.as_secs()
            ))
        };
        if Instant::now() >= give_up {
            return Err(late());
        }
        let moved = timeout_at(give_up, self.moved_to_dead_letters(delivery, why)).await;
        moved.unwrap_or_else(|_| Err(late()))
    }

    async fn moved_to_dead_letters(&self, delivery: &Delivery, why: &str) -> Result<(), Fault> {
        let queue = self.topology.dead_letter_queue();
        match dead_letter(&destination(&self.topology.queue), delivery, why) {
            Some(dead_letter) => {
                for result in self.publisher.publish(&queue, &[dead_letter]).await {
                    result?;
                }
                // If the acknowledgement is lost, the dead letter is sent again.
                drop(acknowledge(&delivery.acker).await);
            }
            // The broker can move what it would not accept from us.
            None => reject(&delivery.acker).await?,
        }
        tracing::warn!("queue {}: a message is dead-lettered: {why}", self.about.name);
        Ok(())
    }
}

/// Half of it is random, so that workers do not all connect at once.
fn backoff(failures: u32) -> Duration {
    doubled(FIRST_DELAY, failures - 1, LONGEST_DELAY).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_between_connections_double_up_to_ten_seconds() {
        for (failures, longest) in [(1, 100), (2, 200), (4, 800), (8, 10_000), (u32::MAX, 10_000)] {
            let longest = Duration::from_millis(longest);
            let delays = (0..100).map(|_| backoff(failures));
            assert!(
                delays.into_iter().all(|delay| longest / 2 <= delay && delay <= longest),
                "{failures}"
            );
        }
    }
}
