//! A queue that exists.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::endpoint::Service;
use crate::error;

pub(super) struct Queue {
    pub(super) client: Client,
    pub(super) url: String,
    /// The endpoint, for error texts.
    endpoint: String,
}

/// The state of a queue.
pub(super) struct State {
    /// Approximate number of messages that can be received.
    pub(super) visible: u64,
    /// Approximate number of messages in flight, received by others.
    pub(super) in_flight: u64,
    /// Whether it has a redrive policy of its own, by which SQS moves messages that are received too often.
    pub(super) has_redrive_policy: bool,
}

impl Queue {
    /// The queue of this name or URL.
    ///
    /// # Errors
    ///
    /// One line: why it is not found.
    pub(super) async fn find(sqs: &Service<Client>, name: &str) -> Result<Self, String> {
        let url = match name.contains("://") {
            true => name.to_owned(),
            false => {
                let found = sqs.client.get_queue_url().queue_name(name).send().await;
                found
                    .map_err(|error| describe(name, &error, &sqs.endpoint))?
                    .queue_url
                    .unwrap_or_default()
            }
        };
        Ok(Self {
            client: sqs.client.clone(),
            url,
            endpoint: sqs.endpoint.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.name().ends_with(".fifo")
    }

    pub(super) fn describe<E>(&self, error: &SdkError<E>) -> String
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        describe(self.name(), error, &self.endpoint)
    }

    pub(super) async fn state(&self) -> Result<State, String> {
        let (visible, in_flight) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request
            .attribute_names(visible.clone())
            .attribute_names(in_flight.clone());
        let reply = request.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let reply = reply.map_err(|error| self.describe(&error))?;
        let attributes = reply.attributes.unwrap_or_default();
        let count = |name| {
            attributes
                .get(name)
                .and_then(|count| count.parse().ok())
                .unwrap_or_default()
        };
        Ok(State {
            visible: count(&visible),
            in_flight: count(&in_flight),
            has_redrive_policy: attributes.contains_key(&QueueAttributeName::RedrivePolicy),
        })
    }

    /// The queue whose redrive policy names this one.
    ///
    /// # Errors
    ///
    /// One line: none or several, and what to do.
    pub(super) async fn source(&self) -> Result<Self, String> {
        let request = self.client.list_dead_letter_source_queues().queue_url(&self.url);
        let mut pages = request.into_paginator().send();
        let mut urls = Vec::new();
        while let Some(page) = pages.next().await {
            urls.extend(page.map_err(|error| self.describe(&error))?.queue_urls);
        }
        let source = |url| Self {
            client: self.client.clone(),
            url,
            endpoint: self.endpoint.clone(),
        };
        let name = self.name();
        match urls.as_slice() {
            [url] => Ok(source(url.clone())),
            [] => Err(format!(
                "{name} is not the dead-letter queue of any queue: pass the queue to send to with --to"
            )),
            several => {
                let names: Vec<_> = several.iter().filter_map(|url| url.rsplit('/').next()).collect();
                let names = names.join(", ");
                Err(format!(
                    "{name} is the dead-letter queue of several queues ({names}): choose one with --to"
                ))
            }
        }
    }
}

fn describe<E>(name: &str, error: &SdkError<E>, endpoint: &str) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.code() {
        Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue") => format!("there is no queue {name}"),
        _ => error::describe(&format!("queue {name}"), error, endpoint),
    }
}
