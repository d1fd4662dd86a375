//! The promises that every source keeps, on a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use std::time::Duration;

use broker::{Broker, Proxy, broker, ctl, prefetch};
use conformance::source::{Abilities, UnderTest};
use consumer::{MessageId, QueueMessage, Queues, Source};
use rabbitmq::{RabbitMq, RabbitMqSource};

struct Queue {
    broker: Broker,
    proxy: Proxy,
    queues: RabbitMq,
    source: RabbitMqSource,
}

async fn queue(settings: &str) -> Option<Queue> {
    let broker = broker().await?;
    let proxy = Proxy::to(broker.address()).await;
    let behind = RabbitMq::new(proxy.url(&broker.url(settings)).parse().unwrap());
    Some(Queue {
        source: RabbitMqSource::open(&behind, prefetch(30)).await.unwrap(),
        queues: broker.queues(settings),
        broker,
        proxy,
    })
}

impl UnderTest for Queue {
    type Source = RabbitMqSource;

    fn source(&self) -> &RabbitMqSource {
        &self.source
    }

    async fn send(&self, messages: &[QueueMessage]) -> Vec<MessageId> {
        let destination = format!("amqp:{}", self.broker.queue);
        self.queues.send(&destination, messages).await.unwrap();
        let id = |message: &QueueMessage| MessageId::new(message.deduplication_id.clone().unwrap()).unwrap();
        messages.iter().map(id).collect()
    }

    async fn left(&self) -> usize {
        let names = ["", "-wait-1s", "-wait-5s", "-wait-30s", "-wait-2m", "-wait-15m"];
        let names = names
            .map(|suffix| format!("'%2F_{}{suffix}'", self.broker.queue))
            .join(",");
        let count = "case ra:consistent_query({Name, node()}, fun rabbit_fifo:query_messages_total/1) of {ok, N, _} -> N; _ -> 0 end";
        let sum =
            format!("io:format(\"~w\", [lists:sum([{count} || Name <- [{names}], whereis(Name) =/= undefined])]).");
        let printed = ctl(&["-q", "eval", &sum]);
        printed.trim_end().trim_end_matches("ok").trim().parse().unwrap()
    }

    /// The connection is lost. The next receive reports it, or opens another one if it was about to do so.
    async fn redeliver(&self) {
        self.proxy.cut();
        while self.source.receive(1).await.is_ok() && self.proxy.connections() == 0 {}
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            hides: false,
            // A header has no label for its type, and a number no trailing zeros.
            typed_attributes: false,
            deduplication_ids: false,
            body_bytes: 2 * 1024 * 1024,
            delay: Duration::from_secs(5),
            early: Duration::from_millis(500),
            late: Duration::from_millis(1500),
            ..Abilities::default()
        }
    }
}

mod unordered {
    use super::*;

    conformance::source_tests! { #[tokio::test(flavor = "multi_thread")] start: queue("").await }
}

mod ordered {
    use super::*;

    conformance::source_tests! { #[tokio::test(flavor = "multi_thread")] start: queue("&ordered=true").await }
}
