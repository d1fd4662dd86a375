//! Messages that nothing identifies.

use std::collections::BTreeMap;
use std::sync::Arc;

use idempotency::Store;

use crate::batch::Batch;
use crate::dead_letter::{self, Original, Rejection};
use crate::limits::Unsendable;
use crate::summary::Counters;
use crate::{Attribute, Budget, Failure, Handler, Limits, QueueMessage, Queues, Services, is_trace_header};

/// A message without an ID. It can neither be processed nor returned to its queue, because its host names messages by their
/// IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unidentified {
    /// The body. Empty: there is none.
    pub body: String,
    /// All that was received, as JSON. It is sent instead if the dead-letter queue does not accept the body with its
    /// attributes.
    pub record: String,
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
        let [message, record] = self.into_dead_letters(H::NAMESPACE, why, &services.queues.limits(url));
        match message {
            // Not worth a warning: the record says more.
            Err(_) => batch.dead_letter(url, record).await.is_ok(),
            message => match batch.dead_letter(url, message).await {
                Ok(()) => true,
                Err(error) if error.unsent.is_empty() => batch.dead_letter(url, record).await.is_ok(),
                // It may have arrived: another form of it would be another message.
                Err(_) => false,
            },
        }
    }

    /// Its dead letter, and the one to send if the queue does not accept the first.
    fn into_dead_letters(self, namespace: &str, why: &str, limits: &Limits) -> [Result<QueueMessage, Unsendable>; 2] {
        // The dead letter may be sent twice: its copies have the ID in common.
        let id = format!("unidentified-{:032x}", fastrand::u128(..));
        let rejection = Rejection {
            reason: Failure::permanent(why).to_string(),
            code: None,
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
            trace_header: (self.host_trace.as_deref())
                .filter(|trace| is_trace_header(trace))
                .map(str::to_owned),
        };
        let record = QueueMessage {
            body: dead_letter::escaped(&self.record, limits),
            attributes: BTreeMap::new(),
            group: message.group.clone().filter(|group| (limits.group)(group)),
            ..message.clone()
        };
        [
            dead_letter::fit(message, original.clone(), rejection.clone(), limits),
            dead_letter::fit(record, original, rejection, limits),
        ]
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
            record: format!("{{\"body\":{body:?}}}"),
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

    #[tokio::test(start_paused = true)]
    async fn a_held_group_waits_behind_a_record_without_an_id() {
        let services = services();
        assert!(!dead_letter::<true>(&services, true, "{}").await);
        assert!(services.queues().sent("dlq.fifo").is_empty());
        assert!(dead_letter::<true>(&services, false, "{}").await, "no order to keep");
    }

    #[tokio::test(start_paused = true)]
    async fn the_reason_has_what_room_the_message_leaves() {
        let services = services();
        let most = services.queues().limits("dlq.fifo").message_bytes;
        assert!(dead_letter::<false>(&services, false, "{}").await);
        let sent = services.queues().sent("dlq.fifo").remove(0);
        assert!(text(&sent, FAILURE).contains("why"));
        let room = most - sent.bytes() + 2;
        assert!(dead_letter::<false>(&services, false, &"x".repeat(room + 1)).await);
        assert!(!dead_letter::<false>(&services, false, &"x".repeat(room + 3)).await);
        let sent = services.queues().sent("dlq.fifo").remove(1);
        assert!(text(&sent, FAILURE).contains("\"wh\""), "{}", text(&sent, FAILURE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_no_queue_accepts_is_sent_as_the_record() {
        let services = services();
        for body in ["", "a\u{fffe}b"] {
            let message = Unidentified {
                body: body.to_owned(),
                record: serde_json::json!({ "body": body }).to_string(),
                attributes: [("a".to_owned(), Attribute::string("v"))].into(),
                group: Some("g".to_owned()),
                ..Unidentified::default()
            };
            let limits = Limits {
                character: |character| character != '\u{fffe}',
                ..services.queues().limits("dlq.fifo")
            };
            let [refused, sent] = message.into_dead_letters("n", "why", &limits);
            assert!(refused.is_err());
            let sent = sent.unwrap();
            let read: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
            assert_eq!((read["body"].as_str(), sent.group.as_deref()), (Some(body), Some("g")));
            assert!(sent.body.is_ascii() && !sent.attributes.contains_key("a"), "{sent:?}");
        }
    }

    #[test]
    fn both_dead_letters_state_the_queue_and_the_trace() {
        let message = Unidentified {
            body: "text".to_owned(),
            record: "{}".to_owned(),
            queue: Some("arn:aws:sqs:eu-west-1:1:orders".to_owned()),
            host_trace: Some("Root=1-2-3".into()),
            ..Unidentified::default()
        };
        for sent in message.into_dead_letters("n", "why", &services().queues().limits("dlq")) {
            let sent = sent.unwrap();
            let original = Original::from_json(text(&sent, ORIGINAL)).unwrap();
            assert_eq!(original.queue.as_deref(), Some("arn:aws:sqs:eu-west-1:1:orders"));
            assert_eq!(sent.trace_header.as_deref(), Some("Root=1-2-3"));
        }
    }

    #[test]
    fn the_record_has_no_group_that_its_queue_refuses() {
        let message = Unidentified {
            body: "text".to_owned(),
            record: "{}".to_owned(),
            group: Some("a b".to_owned()),
            ..Unidentified::default()
        };
        let limits = Limits {
            group: |group| !group.contains(' '),
            ..services().queues().limits("dlq")
        };
        let [refused, sent] = message.into_dead_letters("n", "why", &limits);
        assert_eq!((refused.unwrap_err(), sent.unwrap().group), (Unsendable::Group, None));
    }

    /// A limit that is not known before, such as the types of attributes.
    #[tokio::test(start_paused = true)]
    async fn a_message_that_its_queue_refuses_is_sent_as_the_record() {
        let services = services();
        services.queues().inject(QueueFault::Refused);
        assert!(dead_letter::<false>(&services, false, "text").await);
        let [sent] = services.queues().sent("dlq.fifo").try_into().unwrap();
        assert_eq!(sent.body, r#"{"body":"text"}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_may_have_arrived_is_not_sent_in_another_form() {
        let services = services();
        (0..1000).for_each(|_| services.queues().inject(QueueFault::ReplyLost));
        assert!(!dead_letter::<false>(&services, false, "text").await);
        let sent = services.queues().sent("dlq.fifo");
        assert!(sent.len() > 1 && sent.iter().all(|sent| sent.body == "text"));
    }
}
