//! One connection that messages are received on, from its declarations to its end.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::num::NonZeroU16;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::RabbitMqUrl;
use crate::connection::{ANSWER, connect};
use crate::fault::Fault;
use crate::receipt::Outstanding;
use crate::topology::Topology;

pub(crate) struct Session {
    /// `None` once it is being closed.
    connection: Option<Connection>,
    channel: Channel,
    /// `None`: it was cancelled.
    consumer: Option<Consumer>,
    pub(crate) outstanding: Arc<Outstanding>,
    /// Deliveries to look at before new ones. On an ordered queue: one that could not be dead-lettered, and those behind it.
    pub(crate) first: VecDeque<Delivery>,
    /// On an unordered queue: deliveries that could not be dead-lettered.
    pub(crate) odd: Vec<Delivery>,
}

impl Session {
    /// Connects, declares the queues and begins to consume.
    pub(crate) async fn open(url: &RabbitMqUrl, topology: &Topology, prefetch: NonZeroU16) -> Result<Self, Fault> {
        let connection = connect(url, &format!("consumer of {}", topology.queue)).await?;
        let opened = async {
            topology.declare(&connection).await?;
            let channel = connection.create_channel().await?;
            channel.basic_qos(prefetch.get(), BasicQosOptions::default()).await?;
            let (queue, options) = (topology.queue.as_str().into(), BasicConsumeOptions::default());
            let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default());
            let consumer = consumer.await.map_err(Fault::from);
            let consumer =
                consumer.map_err(|fault| fault.during(&format!("can't consume queue {}", topology.queue)))?;
            Ok::<_, Fault>((channel, consumer))
        };
        let (channel, consumer) = timeout(ANSWER, opened).await.map_err(|_| Fault::no_answer(ANSWER))??;
        Ok(Self {
            connection: Some(connection),
            channel,
            consumer: Some(consumer),
            outstanding: Arc::new(Outstanding::new(topology.ordered)),
            first: VecDeque::new(),
            odd: Vec::new(),
        })
    }

    /// Connects and declares the queues, and no more.
    pub(crate) async fn declare_alone(url: &RabbitMqUrl, topology: &Topology) -> Result<(), Fault> {
        let connection = connect(url, &format!("declaration of {}", topology.queue)).await?;
        let declared = timeout(ANSWER, topology.declare(&connection)).await;
        declared.unwrap_or_else(|_| Err(Fault::no_answer(ANSWER)))
    }

    /// Declares the queues again.
    pub(crate) async fn declare(&self, topology: &Topology) -> Result<(), Fault> {
        let Some(connection) = self.connection.as_ref() else {
            return Err(Fault::lost(None));
        };
        let declared = timeout(ANSWER, topology.declare(connection)).await;
        declared.unwrap_or_else(|_| Err(Fault::no_answer(ANSWER)))
    }

    /// Waits until the broker has read all that was sent before, by a request that changes nothing.
    pub(crate) async fn ping(&self, prefetch: NonZeroU16) -> Result<(), Fault> {
        let answer = self.channel.basic_qos(prefetch.get(), BasicQosOptions::default());
        let answered = timeout(ANSWER, answer).await;
        Ok(answered.map_err(|_| Fault::no_answer(ANSWER))??)
    }

    /// The next delivery.
    pub(crate) async fn next(&mut self) -> Result<Delivery, Fault> {
        if let Some(delivery) = self.first.pop_front() {
            return Ok(delivery);
        }
        let Some(consumer) = self.consumer.as_mut() else {
            return Err(Fault::lost(None));
        };
        match consumer.next().await {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => Err(Fault::lost(Some(error))),
            None => Err(Fault::lost(None)),
        }
    }

    /// A delivery that is in this process already.
    pub(crate) fn ready(&mut self) -> Option<Result<Delivery, Fault>> {
        self.next().now_or_never()
    }

    /// Receives no more, and returns what was not handed out to the queue. Only for unordered queues: with one active consumer,
    /// the broker would activate another one while this one has unacknowledged messages.
    pub(crate) async fn cancel(&mut self) -> Result<(), Fault> {
        let Some(consumer) = self.consumer.as_ref() else {
            return Ok(());
        };
        let tag = consumer.tag();
        let cancelled = timeout(ANSWER, self.channel.basic_cancel(tag, BasicCancelOptions::default())).await;
        cancelled.map_err(|_| Fault::no_answer(ANSWER))??;
        let mut unused = std::mem::take(&mut self.odd);
        while let Some(Ok(delivery)) = self.ready() {
            unused.push(delivery);
        }
        self.consumer = None;
        for delivery in unused {
            let requeue = BasicNackOptions {
                requeue: true,
                multiple: false,
            };
            let returned = timeout(ANSWER, delivery.acker.nack(requeue)).await;
            returned.map_err(|_| Fault::no_answer(ANSWER))??;
        }
        Ok(())
    }

    /// Closes the connection. The queue gets all that is not acknowledged, in order.
    pub(crate) async fn end(mut self) {
        // In a task of its own: what waits here may be dropped, and the connection must be closed.
        let _ = tokio::spawn(self.closing()).await;
    }

    /// The connection is closed before the consumer is dropped: the client library cancels a consumer that is dropped, and on
    /// an ordered queue that breaks the order: see [`Session::cancel`].
    fn closing(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let (connection, consumer) = (self.connection.take(), self.consumer.take());
        async move {
            if let Some(connection) = connection {
                // A connection that is broken is closed already.
                let _ = timeout(ANSWER, connection.close(200, "closed".into())).await;
            }
            drop(consumer);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match Handle::try_current() {
            Ok(runtime) if self.connection.is_some() => drop(runtime.spawn(self.closing())),
            // The process is about to end, which closes the connection.
            _ => std::mem::forget(self.consumer.take()),
        }
    }
}

impl Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("outstanding", &self.outstanding)
            .finish_non_exhaustive()
    }
}
