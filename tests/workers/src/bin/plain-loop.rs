//! What any consumer has to do: receive, and delete or acknowledge. No handler, no ledger, no retry. A worker is compared to it.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Messages at a time: as many as a worker with a concurrency of ten.
const MESSAGES: u16 = 10;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let queue = std::env::var("QUEUE_URL")?;
    // In a task, as a worker does: the main thread is slower to wake up.
    match queue.split_once("?queue=") {
        Some((broker, queue)) => {
            let name = queue.split('&').next().unwrap_or(queue).to_owned();
            tokio::spawn(rabbitmq(broker.to_owned(), name)).await?
        }
        None => {
            aws::load_roots()?;
            let config = aws::worker_sdk_config(Duration::from_secs(30)).await;
            tokio::spawn(sqs(Client::new(&config), queue)).await?
        }
    }
}

async fn sqs(client: Client, queue: String) -> Result<(), Failed> {
    loop {
        let receive = client
            .receive_message()
            .queue_url(&queue)
            .max_number_of_messages(MESSAGES.into());
        let received = receive.wait_time_seconds(20).send().await?.messages.unwrap_or_default();
        let entry = |(id, message): (usize, Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
            entry.set_receipt_handle(message.receipt_handle).build()
        };
        let entries = received
            .into_iter()
            .enumerate()
            .map(entry)
            .collect::<Result<Vec<_>, _>>()?;
        if !entries.is_empty() {
            let delete = client
                .delete_message_batch()
                .queue_url(&queue)
                .set_entries(Some(entries));
            delete.send().await?;
        }
    }
}

async fn rabbitmq(broker: String, queue: String) -> Result<(), Failed> {
    let connection = Connection::connect(&broker, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(MESSAGES, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel
        .basic_consume(queue.as_str().into(), "".into(), options, arguments)
        .await?;
    while let Some(delivery) = consumer.next().await {
        delivery?.ack(BasicAckOptions::default()).await?;
    }
    Err("the broker closed the connection".into())
}
