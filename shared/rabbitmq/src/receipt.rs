//! The receipt of a message: how it is acknowledged, and what its copy needs.

use std::sync::Arc;
use std::time::Duration;

use consumer::SourceFault;
use idempotency::Timestamp;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, BasicProperties};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::connection::ANSWER;
use crate::copy;
use crate::fault::Fault;
use crate::incoming::receive_count;
use crate::properties::Publication;

/// A message whose host gives up is redelivered no earlier. Else a host that can't settle would receive it in a loop.
const ABANDONED: Duration = Duration::from_secs(5);

/// The receipt of a message from a RabbitMQ queue. It is valid as long as the connection of its receive.
///
/// The message of a receipt that is dropped before it is settled is returned to the queue, after some seconds.
#[derive(Debug)]
pub struct RabbitMqReceipt {
    acker: Acker,
    properties: BasicProperties,
    body: Vec<u8>,
    receive_count: u32,
    /// Counts the receipt until it is settled.
    outstanding: Option<Counted>,
}

impl RabbitMqReceipt {
    pub(crate) fn new(delivery: Delivery, outstanding: &Arc<Outstanding>) -> Self {
        Self {
            receive_count: receive_count(&delivery),
            acker: delivery.acker,
            properties: delivery.properties,
            body: delivery.data,
            outstanding: Some(Counted::new(outstanding)),
        }
    }

    fn is_settled(&self) -> bool {
        self.outstanding.is_none()
    }

    /// Whether the message is not settled, and still can be.
    pub(crate) fn is_valid(&self) -> bool {
        !self.is_settled() && self.acker.usable()
    }

    /// The message that waits until then.
    pub(crate) fn delayed(&self, not_before: Timestamp) -> Publication {
        copy::delayed(&self.properties, self.body.clone(), self.receive_count, not_before)
    }

    /// Removes the message from its queue. The broker does not answer: if the connection ends now, it may redeliver the message.
    pub(crate) async fn acknowledge(&mut self) -> Result<(), Fault> {
        if !self.is_settled() {
            acknowledge(&self.acker).await?;
            self.outstanding = None;
        }
        Ok(())
    }

    /// Leaves the message with its queue, which gets it back, in order, together with all others when the channel is closed.
    pub(crate) fn leave(&mut self) {
        if let Some(outstanding) = self.outstanding.take() {
            outstanding.0.returning.send_replace(true);
        }
    }
}

/// RabbitMQ has no visibility timeout: the message would be hidden as long as the connection lasts.
impl Drop for RabbitMqReceipt {
    fn drop(&mut self) {
        if !self.is_valid() {
            return;
        }
        if let (Some(outstanding), Ok(runtime)) = (self.outstanding.take(), Handle::try_current()) {
            runtime.spawn(give_back(self.acker.clone(), Arc::clone(&outstanding.0)));
        }
    }
}

async fn give_back(acker: Acker, outstanding: Arc<Outstanding>) {
    sleep(ABANDONED).await;
    if outstanding.ordered {
        outstanding.returning.send_replace(true);
        return;
    }
    let requeue = BasicNackOptions {
        requeue: true,
        multiple: false,
    };
    // If the connection is closed, the queue has the message already.
    let _ = timeout(ANSWER, acker.nack(requeue)).await;
}

pub(crate) async fn acknowledge(acker: &Acker) -> Result<(), Fault> {
    match timeout(ANSWER, acker.ack(BasicAckOptions::default())).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false) | Err(_)) | Err(_) => Err(Fault {
            means: SourceFault::ReceiptLost,
            why: "the connection on which the message was received is closed: the broker redelivers it".to_owned(),
        }),
    }
}

/// The broker moves the message to the dead-letter queue.
pub(crate) async fn reject(acker: &Acker) -> Result<(), Fault> {
    let no_requeue = BasicNackOptions::default();
    let rejected = timeout(ANSWER, acker.nack(no_requeue)).await;
    rejected.map_err(|_| Fault::no_answer(ANSWER))??;
    Ok(())
}

/// The receipts of one connection that are not settled.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    ordered: bool,
    count: watch::Sender<usize>,
    /// A message was left to be returned when the channel is closed.
    returning: watch::Sender<bool>,
}

impl Outstanding {
    pub(crate) fn new(ordered: bool) -> Self {
        Self {
            ordered,
            ..Self::default()
        }
    }

    /// Whether a message was left to be returned when the channel is closed.
    pub(crate) fn is_returning(&self) -> bool {
        *self.returning.borrow()
    }

    /// Waits until a message is left to be returned when the channel is closed.
    pub(crate) async fn returning(&self) {
        // The sender lives as long as `self`, so this can't fail.
        let _ = self.returning.subscribe().wait_for(|returning| *returning).await;
    }

    /// Waits until all receipts are settled.
    pub(crate) async fn settled(&self) {
        // The sender lives as long as `self`, so this can't fail.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

#[derive(Debug)]
struct Counted(Arc<Outstanding>);

impl Counted {
    fn new(outstanding: &Arc<Outstanding>) -> Self {
        outstanding.count.send_modify(|count| *count += 1);
        Self(Arc::clone(outstanding))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}
