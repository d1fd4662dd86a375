//! A queue that is there.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::endpoint::Service;
use crate::trouble::told;

pub(super) struct Queue {
    pub(super) client: Client,
    pub(super) url: String,
    /// Where it is asked for.
    place: String,
}

/// How a queue stands.
pub(super) struct State {
    /// About how many messages it has that could be received.
    pub(super) visible: u64,
    /// About how many somebody else holds.
    pub(super) in_flight: u64,
    /// It has a redrive policy of its own, by which messages that are received too often leave it.
    pub(super) redrives: bool,
}

impl Queue {
    /// The queue of this name or URL.
    ///
    /// # Errors
    ///
    /// In one line why it is not to be found.
    pub(super) async fn find(sqs: &Service<Client>, name: &str) -> Result<Self, String> {
        let url = match name.contains("://") {
            true => name.to_owned(),
            false => {
                let found = sqs.client.get_queue_url().queue_name(name).send().await;
                found
                    .map_err(|error| trouble(name, &error, &sqs.place))?
                    .queue_url
                    .unwrap_or_default()
            }
        };
        Ok(Self {
            client: sqs.client.clone(),
            url,
            place: sqs.place.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.name().ends_with(".fifo")
    }

    pub(super) fn trouble<E>(&self, error: &SdkError<E>) -> String
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        trouble(self.name(), error, &self.place)
    }

    pub(super) async fn state(&self) -> Result<State, String> {
        let (visible, in_flight) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let asked = asked
            .attribute_names(visible.clone())
            .attribute_names(in_flight.clone());
        let answer = asked.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let answer = answer.map_err(|error| self.trouble(&error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name| {
            attributes
                .get(name)
                .and_then(|count| count.parse().ok())
                .unwrap_or_default()
        };
        Ok(State {
            visible: count(&visible),
            in_flight: count(&in_flight),
            redrives: attributes.contains_key(&QueueAttributeName::RedrivePolicy),
        })
    }

    /// The queue whose redrive policy names this one.
    ///
    /// # Errors
    ///
    /// In one line what to do if it is not exactly one.
    pub(super) async fn source(&self) -> Result<Self, String> {
        let request = self.client.list_dead_letter_source_queues().queue_url(&self.url);
        let mut pages = request.into_paginator().send();
        let mut urls = Vec::new();
        while let Some(page) = pages.next().await {
            urls.extend(page.map_err(|error| self.trouble(&error))?.queue_urls);
        }
        let source = |url| Self {
            client: self.client.clone(),
            url,
            place: self.place.clone(),
        };
        let name = self.name();
        match urls.as_slice() {
            [url] => Ok(source(url.clone())),
            [] => Err(format!(
                "{name} is the dead-letter queue of none: name the queue to send to with --to"
            )),
            several => {
                let names: Vec<_> = several.iter().filter_map(|url| url.rsplit('/').next()).collect();
                let names = names.join(", ");
                Err(format!(
                    "{name} is the dead-letter queue of several ({names}): name one of them with --to"
                ))
            }
        }
    }
}

fn trouble<E>(name: &str, error: &SdkError<E>, place: &str) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.code() {
        Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue") => format!("there is no queue {name}"),
        _ => told(&format!("queue {name}"), error, place),
    }
}
