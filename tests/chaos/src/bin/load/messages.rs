//! The orders that are sent: most once, some twice, some that can't be processed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};

use crate::Failed;

/// So many wait at most: what waits is in memory, and is not what is measured.
const BACKLOG: u64 = 500;

/// Every so manieth message repeats the order before it: 5 %.
const DUPLICATE: u64 = 20;
/// Every so manieth message does not add up: 1 %.
const POISON: u64 = 100;

/// Orders of one customer conflict with each other.
const CUSTOMERS: u64 = 1000;

/// What was sent, and to where.
pub(crate) struct Messages {
    client: Client,
    endpoint: String,
    number: u64,
    /// IDs of messages whose orders are valid, and of the others.
    pub(crate) valid: BTreeSet<String>,
    pub(crate) invalid: BTreeSet<String>,
    duplicates: u64,
    /// What each customer's orders make.
    pub(crate) totals: BTreeMap<String, u64>,
    orders: u64,
}

/// What a message is.
#[derive(PartialEq, Eq)]
enum Sort {
    Order,
    Duplicate,
    Poison,
}

impl Messages {
    pub(crate) async fn new(endpoint: &str) -> Self {
        Self {
            client: local::sqs_client(endpoint).await,
            endpoint: endpoint.to_owned(),
            number: 0,
            valid: BTreeSet::new(),
            invalid: BTreeSet::new(),
            duplicates: 0,
            totals: BTreeMap::new(),
            orders: 0,
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.number
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    pub(crate) fn poison(&self) -> usize {
        self.invalid.len()
    }

    /// Valid ones, each counted once.
    pub(crate) fn orders(&self) -> u64 {
        self.orders
    }

    /// Sends up to ten messages, once not too many wait.
    pub(crate) async fn send_ten(&mut self, most: u64) -> Result<(), Failed> {
        while self.waiting("orders").await? + self.waiting("notifications").await? > BACKLOG {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let numbers = self.number..(self.number + 10).min(most);
        let entries = numbers.clone().map(|number| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            entry.message_body(body(number)).build()
        });
        let request = self.client.send_message_batch().queue_url(self.url("orders"));
        let sent = request
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await?;
        if let Some(failed) = sent.failed.first() {
            return Err(format!("a message was not sent: {failed:?}").into());
        }
        for message in sent.successful {
            self.note(message.id.parse()?, message.message_id);
        }
        self.number = numbers.end;
        Ok(())
    }

    fn note(&mut self, number: u64, message: String) {
        if sort(number) == Sort::Poison {
            self.invalid.insert(message);
            return;
        }
        self.valid.insert(message);
        if sort(number) == Sort::Duplicate {
            self.duplicates += 1;
            return;
        }
        self.orders += 1;
        *self.totals.entry(customer(number)).or_default() += amount(number);
    }

    /// Waits until no message is left in a queue.
    pub(crate) async fn until_settled(&self) -> Result<(), Failed> {
        while self.waiting("orders").await? + self.waiting("notifications").await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// How many messages a queue has, visible or not.
    pub(crate) async fn waiting(&self, queue: &str) -> Result<u64, Failed> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(self.url(queue));
        let answer = request.set_attribute_names(Some(counts.to_vec())).send().await?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name| attributes.get(name).and_then(|count| count.parse::<u64>().ok());
        Ok(counts.iter().filter_map(count).sum())
    }

    fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.endpoint)
    }
}

fn sort(number: u64) -> Sort {
    match number {
        _ if number % POISON == 7 => Sort::Poison,
        _ if number % DUPLICATE == 1 => Sort::Duplicate,
        _ => Sort::Order,
    }
}

fn amount(number: u64) -> u64 {
    100 + number % 900
}

fn customer(number: u64) -> String {
    format!("customer-{}", number % CUSTOMERS)
}

fn body(number: u64) -> String {
    let sort = sort(number);
    let order = if sort == Sort::Duplicate { number - 1 } else { number };
    let price = amount(order);
    let amount = if sort == Sort::Poison { price + 1 } else { price };
    let items = format!(r#"[{{"sku":"tea","quantity":1,"price":{price}}}]"#);
    format!(
        r#"{{"id":"o-{order}","customer":"{}","items":{items},"amount":{amount}}}"#,
        customer(order)
    )
}
