//! The messages of a run, and what has to come of them.

use std::collections::BTreeMap;

use emulator::sqs::Sqs;
use serde_json::{Value, json};

use crate::faults::{DELIVERED_TWICE, Faults, SENT_TWICE, TWO_CONTENTS};

/// The functions that run, and the queue of each.
pub(crate) const FUNCTIONS: [&str; 3] = ["place-order", "reserve-stock", "send-notification"];
pub(crate) const QUEUES: [&str; 3] = ["orders", "reservations.fifo", "notifications"];

/// So many messages wait at most, in all queues.
const BACKLOG: usize = 60;

/// One of so many can't be processed.
const POISON: u32 = 33;

pub(crate) const SKUS: [&str; 4] = ["tea", "cup", "pot", "spoon"];
/// More than all reservations of a run take.
pub(crate) const STOCK: i64 = 100_000_000;

/// A message that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) queue: &'static str,
    /// The ID of the record that its processing completes.
    pub(crate) record: String,
    pub(crate) end: End,
}

/// What has to come of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    DeadLetter,
    /// It has another content than a second message with its key: one is done, and one is a dead letter.
    OneOfTwo,
}

/// Everything that was sent.
#[derive(Default)]
pub(crate) struct Workload {
    next: u64,
    /// By message ID.
    pub(crate) sent: BTreeMap<String, Sent>,
    /// Orders by ID: the customer and the amount.
    pub(crate) orders: BTreeMap<String, (String, i64)>,
    /// The key of each notification that was sent directly.
    pub(crate) notifications: Vec<String>,
    /// Messages with one key and different contents.
    pub(crate) two_contents: Vec<[String; 2]>,
    /// What reservations take, by SKU.
    pub(crate) reserved: BTreeMap<&'static str, i64>,
}

impl Workload {
    /// Sends some messages, if not too many wait.
    pub(crate) async fn send_some(&mut self, sqs: &Sqs, faults: &Faults) -> Result<(), String> {
        let waiting: usize = QUEUES.iter().map(|queue| sqs.peek(queue).len()).sum();
        if waiting >= BACKLOG {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        let is_poison = faults.once_in(POISON);
        let copies = if is_due(faults) { 2 } else { 1 };
        match faults.below(5) {
            0 => self.reserve(sqs, faults, number, is_poison).await,
            drawn if drawn == 1 || faults.scenario().contents => {
                self.notify(sqs, faults, number, is_poison, copies).await
            }
            _ => self.order(sqs, faults, number, is_poison, copies).await,
        }
    }

    async fn order(
        &mut self,
        sqs: &Sqs,
        faults: &Faults,
        number: u64,
        is_poison: bool,
        copies: u32,
    ) -> Result<(), String> {
        let (id, customer, amount) = (
            format!("o-{number}"),
            format!("customer-{}", number % 7),
            100 + number.cast_signed() % 900,
        );
        let items = json!([{ "sku": "tea", "quantity": 1, "price": amount }]);
        let stated = amount + i64::from(is_poison);
        let body = json!({ "id": id, "customer": customer, "items": items, "amount": stated });
        for _ in 0..copies {
            let message = self.deliver(sqs, faults, "orders", &body, json!({})).await?;
            self.note(
                message.clone(),
                "orders",
                format!("place-order#{message}"),
                End::of(is_poison),
            );
        }
        if !is_poison {
            self.orders.insert(id, (customer, amount));
        }
        if copies > 1 {
            faults.count(SENT_TWICE);
        }
        Ok(())
    }

    async fn notify(
        &mut self,
        sqs: &Sqs,
        faults: &Faults,
        number: u64,
        is_poison: bool,
        copies: u32,
    ) -> Result<(), String> {
        let key = format!("notification {number}");
        let body = match is_poison {
            true => json!({ "to": "", "subject": "none", "text": "none" }),
            false => json!({ "to": "ada@example.com", "subject": "news", "text": format!("number {number}") }),
        };
        let attributes = json!({ "IdempotencyKey": { "DataType": "String", "StringValue": key } });
        let more = json!({ "MessageAttributes": attributes });
        if faults.scenario().contents && !is_poison {
            return self
                .notify_otherwise(sqs, faults, key, [body.clone(), other_text(body)], more)
                .await;
        }
        for _ in 0..copies {
            let message = self.deliver(sqs, faults, "notifications", &body, more.clone()).await?;
            self.note(
                message,
                "notifications",
                format!("send-notification#{key}"),
                End::of(is_poison),
            );
        }
        if !is_poison {
            self.notifications.push(key);
        }
        if copies > 1 {
            faults.count(SENT_TWICE);
        }
        Ok(())
    }

    /// Sends two contents under one key.
    async fn notify_otherwise(
        &mut self,
        sqs: &Sqs,
        faults: &Faults,
        key: String,
        contents: [Value; 2],
        more: Value,
    ) -> Result<(), String> {
        let mut messages = [String::new(), String::new()];
        for (message, body) in messages.iter_mut().zip(contents) {
            *message = self.deliver(sqs, faults, "notifications", &body, more.clone()).await?;
            let record = format!("send-notification#{key}");
            self.note(message.clone(), "notifications", record, End::OneOfTwo);
        }
        self.two_contents.push(messages);
        self.notifications.push(key);
        faults.count(TWO_CONTENTS);
        Ok(())
    }

    async fn reserve(&mut self, sqs: &Sqs, faults: &Faults, number: u64, is_poison: bool) -> Result<(), String> {
        let sku = SKUS[faults.below(4) as usize];
        let (quantity, order) = (
            if is_poison { 0 } else { 1 + i64::from(faults.below(3)) },
            format!("o-{number}"),
        );
        let body = json!({ "sku": sku, "quantity": quantity, "order": order });
        let more = json!({ "MessageGroupId": sku, "MessageDeduplicationId": order });
        let message = self.deliver(sqs, faults, "reservations.fifo", &body, more).await?;
        let record = format!("reserve-stock#{sku:?} for order {order:?}");
        self.note(message, "reservations.fifo", record, End::of(is_poison));
        *self.reserved.entry(sku).or_default() += quantity;
        Ok(())
    }

    fn note(&mut self, message: String, queue: &'static str, record: String, end: End) {
        let sent = Sent { queue, record, end };
        self.sent.insert(message, sent);
    }

    async fn deliver(
        &self,
        sqs: &Sqs,
        faults: &Faults,
        queue: &str,
        body: &Value,
        mut request: Value,
    ) -> Result<String, String> {
        // A FIFO queue would ignore it.
        if !queue.ends_with(".fifo") && is_due(faults) {
            sqs.deliver_twice(queue, 1);
            faults.count(DELIVERED_TWICE);
        }
        request["QueueUrl"] = queue.into();
        request["MessageBody"] = body.to_string().into();
        let sent = sqs.call("SendMessage", request).await;
        let sent = sent.map_err(|error| format!("{queue} refuses {body}: {error:?}"))?;
        Ok(sent["MessageId"].as_str().unwrap_or_default().to_owned())
    }
}

impl End {
    fn of(is_poison: bool) -> Self {
        if is_poison { Self::DeadLetter } else { Self::Done }
    }
}

fn other_text(mut notification: Value) -> Value {
    notification["text"] = "another text".into();
    notification
}

/// Whether a message is sent or delivered twice now.
fn is_due(faults: &Faults) -> bool {
    faults.scenario().twice.is_some_and(|times| faults.once_in(times))
}
