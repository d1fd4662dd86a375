//! What any consumer of SQS has to do: receive, and delete. No handler, no ledger, no retry. A worker is compared to it.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Receives that are outstanding: as many as a worker with a concurrency of ten, which takes ten messages at a time.
const LOOPS: usize = 1;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    aws::load_roots()?;
    let config = aws::worker_sdk_config(Duration::from_secs(30)).await;
    let (client, queue) = (Client::new(&config), std::env::var("QUEUE_URL")?);
    let loops = (0..LOOPS).map(|_| tokio::spawn(consume(client.clone(), queue.clone())));
    for running in loops.collect::<Vec<_>>() {
        running.await??;
    }
    Ok(())
}

async fn consume(client: Client, queue: String) -> Result<(), Failed> {
    loop {
        let receive = client.receive_message().queue_url(&queue).max_number_of_messages(10);
        let received = receive.wait_time_seconds(20).send().await?.messages.unwrap_or_default();
        let entry = |(id, message): (usize, aws_sdk_sqs::types::Message)| {
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
