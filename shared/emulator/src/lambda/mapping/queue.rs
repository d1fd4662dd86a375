//! The mapping's side of the queue: receiving and deleting, whatever the weather.

use std::{error::Error, time::Duration};

use aws_sdk_sqs::{
    Client,
    error::SdkError,
    types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    super::observer::{Event, Observer},
    event::Record,
};

/// SQS gives and takes at most so many messages a request.
const REQUEST_MESSAGES: usize = 10;

/// How long to wait before a failed receive is tried again, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often a deletion is tried. What is not deleted is redelivered, which costs more than a few tries.
const DELETE_ATTEMPTS: u32 = 4;

#[derive(Clone)]
pub(super) struct Queue {
    client: Client,
    url: String,
    observer: Observer,
    /// Whether the last receive failed, and how long to wait after it.
    backoff: Option<Duration>,
}

impl Queue {
    pub(super) fn new(client: Client, url: &str, observer: Observer) -> Self {
        Self {
            client,
            url: url.to_owned(),
            observer,
            backoff: None,
        }
    }

    /// Receives at least one message, however long that takes; nothing only at shutdown.
    pub(super) async fn receive_some(
        &mut self,
        most: usize,
        wait: Duration,
        shutdown: &CancellationToken,
    ) -> Vec<Message> {
        loop {
            match self.receive(most, wait, shutdown).await {
                Some(messages) if messages.is_empty() => {}
                Some(messages) => return messages,
                None if shutdown.is_cancelled() => return Vec::new(),
                None => {}
            }
        }
    }

    /// Receives what arrives within `wait`, rounded down to seconds. Nothing at shutdown, or after
    /// an error, which is then reported and waited out.
    pub(super) async fn receive(
        &mut self,
        most: usize,
        wait: Duration,
        shutdown: &CancellationToken,
    ) -> Option<Vec<Message>> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(number(most.min(REQUEST_MESSAGES)))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        // A reply on its way at shutdown is dropped; its messages are redelivered after their visibility timeout.
        let received = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            received = request.send() => received,
        };
        match received {
            Ok(received) => {
                self.backoff = None;
                Some(received.messages.unwrap_or_default())
            }
            Err(error) => {
                self.back_off(&error, shutdown).await;
                None
            }
        }
    }

    async fn back_off<E: Error + 'static>(&mut self, error: &SdkError<E>, shutdown: &CancellationToken) {
        let (first, most) = BACKOFF;
        let pause = match self.backoff {
            Some(last) => (last * 2).min(most),
            None => {
                // Reported once, until a receive succeeds.
                self.report(format!(
                    "can't receive from {}, still trying: {}",
                    self.url,
                    chain(error)
                ));
                first
            }
        };
        self.backoff = Some(pause);
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Deletes the messages; what can't be deleted is reported, and redelivered after its visibility timeout.
    pub(super) async fn delete(&self, records: &[&Record]) {
        for records in records.chunks(REQUEST_MESSAGES) {
            let mut left = records.to_vec();
            let mut pause = BACKOFF.0;
            let mut reason = String::new();
            for attempt in 1..=DELETE_ATTEMPTS {
                (left, reason) = self.try_delete(&left).await;
                if left.is_empty() {
                    break;
                }
                if attempt < DELETE_ATTEMPTS {
                    sleep(pause).await;
                    pause *= 2;
                }
            }
            if !left.is_empty() {
                let ids: Vec<_> = left.iter().map(|record| record.id.as_str()).collect();
                self.report(format!("can't delete {} from {}: {reason}", ids.join(", "), self.url));
            }
        }
    }

    /// One request; returns what is left, and the last reason for it.
    async fn try_delete<'a>(&self, records: &[&'a Record]) -> (Vec<&'a Record>, String) {
        // An entry is named by its position, for one batch may hold the same message twice.
        let entries = records.iter().enumerate().map(|(position, record)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(position.to_string())
                .receipt_handle(&record.receipt_handle)
                .build()
        });
        let entries: Vec<_> = match entries.collect::<Result<_, _>>() {
            Ok(entries) => entries,
            Err(error) => return (records.to_vec(), error.to_string()),
        };
        match self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send()
            .await
        {
            Ok(deleted) => {
                let reason = deleted
                    .failed
                    .last()
                    .map(|entry| format!("{}: {}", entry.code, entry.message.as_deref().unwrap_or("no message")));
                let left = deleted
                    .failed
                    .iter()
                    .filter_map(|entry| records.get(entry.id.parse::<usize>().ok()?));
                (left.copied().collect(), reason.unwrap_or_default())
            }
            Err(error) => (records.to_vec(), chain(&error)),
        }
    }

    fn report(&self, what: String) {
        let _ = self.observer.send(Event::Trouble { what });
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An error with its causes, in one line: the SDK's outermost is only "service error".
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
