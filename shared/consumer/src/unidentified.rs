//! Messages that nothing identifies.

use std::collections::BTreeMap;
use std::sync::Arc;

use idempotency::Store;

use crate::batch::Batch;
use crate::dead_letter::{self, Original, Rejection};
use crate::limits::Unsendable;
use crate::summary::Counters;
use crate::{Attribute, Budget, Failure, Handler, Limits, QueueMessage, Queues, Services};

/// A message without an ID. It can neither be processed nor returned to its queue, because its host names messages by their
/// IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unidentified {
    /// The body, or all that was received.
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, if it is known.
    pub group: Option<String>,
    /// The ARN of the queue it was received from, if it is known.
    pub queue: Option<String>,
    /// The host's own trace, which the dead letter carries.
    pub host_trace: Option<Arc<str>>,
}

impl Unidentified {
    /// Sends its dead letter, with the reason. `false`: there is no dead-letter queue, or it did not confirm the dead
    /// letter, or the [group is held](Handler::HOLD_GROUP). Then the message must not be acknowledged.
    ///
    /// `ordered`: its queue keeps the order of message groups.
    pub async fn dead_letter<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
        self,
        why: &str,
        ordered: bool,
        handler: &Arc<H>,
        services: &Services<S, Q>,
        budget: &Budget,
    ) -> bool {
        let Some(url) = services
            .dead_letter_queue
            .as_ref()
            .filter(|_| !(ordered && H::HOLD_GROUP))
        else {
            return false;
        };
        let batch = Batch {
            handler,
            services,
            budget,
            ordered,
            counters: Counters::default(),
        };
        let dead_letter = self.into_dead_letter(H::NAMESPACE, why, &services.queues.limits(url));
        batch.dead_letter(url, dead_letter).await
    }

    fn into_dead_letter(self, namespace: &str, why: &str, limits: &Limits) -> Result<QueueMessage, Unsendable> {
        // The dead letter may be sent twice: its copies have the ID in common.
        let id = format!("unidentified-{:032x}", fastrand::u128(..));
        let rejection = Rejection {
            reason: Failure::permanent(why).to_string(),
            function: namespace.to_owned(),
            receive_count: 1,
        };
        let original = Original {
            message_id: Some(id.clone()),
            queue: self.queue,
            ..Original::default()
        };
        let message = QueueMessage {
            body: self.body,
            attributes: self.attributes,
            group: self.group,
            deduplication_id: Some(id),
            trace_header: self.host_trace.as_deref().map(str::to_owned),
        };
        dead_letter::fit(message, original, rejection, limits)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dead_letter::{FAILURE, ORIGINAL};
    use crate::{Delivery, QueueFault};
    use idempotency::{Completion, NoWrites, Timestamp};

    struct Holding<const HOLD: bool>;

    impl<const HOLD: bool> Handler for Holding<HOLD> {
        type Message = serde_json::Value;
        type Write = NoWrites;
        const NAMESPACE: &'static str = "n";
        const HOLD_GROUP: bool = HOLD;

        async fn handle(&self, _: Self::Message, _: &Delivery) -> Result<Completion, Failure> {
            Ok(Completion::new())
        }
    }

    fn services() -> Services<idempotency::MemoryStore<NoWrites>, crate::MemoryQueues> {
        Services::in_memory().with_dead_letter_queue("dlq.fifo")
    }

    async fn dead_letter<const HOLD: bool>(
        services: &Services<idempotency::MemoryStore<NoWrites>, crate::MemoryQueues>,
        ordered: bool,
        body: &str,
    ) -> bool {
        let now = Timestamp::now();
        let budget = Budget::new(now, now.plus(Duration::from_secs(10)));
        let message = Unidentified {
            body: body.to_owned(),
            ..Unidentified::default()
        };
        let handler = Arc::new(Holding::<HOLD>);
        message.dead_letter("why", ordered, &handler, services, &budget).await
    }

    fn text<'a>(message: &'a QueueMessage, name: &str) -> &'a str {
        message.attributes[name].string_value.as_deref().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn copies_of_a_dead_letter_have_one_message_id() {
        let services = services();
        services.queues().inject(QueueFault::ReplyLost);
        assert!(dead_letter::<false>(&services, true, "{}").await);
        assert!(dead_letter::<false>(&services, true, "{}").await);
        let ids = services.queues().sent("dlq.fifo").into_iter().map(|sent| {
            let original = Original::from_json(text(&sent, ORIGINAL)).unwrap();
            assert_eq!((sent.group.is_some(), &original.key), (true, &None));
            original.message_id.unwrap()
        });
        let ids: Vec<_> = ids.collect();
        assert_eq!((ids.len(), ids[0] == ids[1], ids[1] == ids[2]), (3, true, false));
    }

    #[tokio::test]
    async fn a_held_group_waits_behind_a_record_without_an_id() {
        let services = services();
        assert!(!dead_letter::<true>(&services, true, "{}").await);
        assert!(services.queues().sent("dlq.fifo").is_empty());
        assert!(dead_letter::<true>(&services, false, "{}").await, "no order to keep");
    }

    #[tokio::test]
    async fn the_reason_has_what_room_the_message_leaves() {
        let services = services();
        let most = services.queues().limits("dlq.fifo").message_bytes;
        assert!(!dead_letter::<false>(&services, false, "").await);
        assert!(dead_letter::<false>(&services, false, "{}").await);
        let sent = services.queues().sent("dlq.fifo").remove(0);
        assert!(text(&sent, FAILURE).contains("why"));
        let room = most - sent.bytes() + 2;
        assert!(dead_letter::<false>(&services, false, &"x".repeat(room + 1)).await);
        assert!(!dead_letter::<false>(&services, false, &"x".repeat(room + 3)).await);
        let sent = services.queues().sent("dlq.fifo").remove(1);
        assert!(text(&sent, FAILURE).contains("\"wh\""), "{}", text(&sent, FAILURE));
    }
}
