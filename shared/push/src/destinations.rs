//! The queues that messages are sent to: those of the handler, and the dead-letter queue.

use azure_queue::{AzureQueueUrl, AzureQueues};
use cloud_tasks::CloudTasks;
use consumer::{Chain, Limits, QueueError, QueueMessage, Queues, SourceError, SourceFault};
use host::Need;
use service::aws_config;
use sqs::Sqs;

use crate::run::StartError;

/// Queues of any kind: the URL of each states which.
pub(crate) struct Destinations {
    cloud_tasks: CloudTasks,
    azure: Option<Account>,
    /// `None`: no destination is a queue of SQS, so neither region nor credentials are required.
    sqs: Option<Sqs>,
}

/// The queues of the account whose trigger calls.
pub(crate) struct Account {
    /// What the URL of each begins with.
    prefix: String,
    queues: AzureQueues,
}

impl Account {
    pub(crate) fn of(queue: &AzureQueueUrl, queues: AzureQueues) -> Self {
        // Without the queue's name, which has no slash.
        let url = queue.to_string();
        let end = url.rfind('/').map_or(url.len(), |slash| slash + 1);
        Self {
            prefix: url[..end].to_owned(),
            queues,
        }
    }
}

enum Kind<'a> {
    CloudTasks,
    Azure(&'a AzureQueues),
    /// `None`: no setting named one.
    Sqs(Option<&'a Sqs>),
}

pub(crate) const DEAD_LETTERS: &str = "DEAD_LETTER_QUEUE_URL";

impl Destinations {
    /// The queues that the handler needs, and others, each with the setting that states it. They are checked, as far as their kind
    /// allows.
    ///
    /// # Errors
    ///
    /// One of them is missing. One that does not answer is a warning.
    pub(crate) async fn open(
        cloud_tasks: CloudTasks,
        azure: Option<Account>,
        needs: &[Need],
        others: Vec<(&'static str, String)>,
    ) -> Result<Self, StartError> {
        let of_handler = needs.iter().filter_map(|need| match need {
            Need::Queue { variable, url } => Some((*variable, url.clone())),
            Need::Table { .. } | Need::SqlTable(_) => None,
        });
        let all: Vec<_> = of_handler.chain(others).collect();
        let mut opened = Self {
            cloud_tasks,
            azure,
            sqs: None,
        };
        if all.iter().any(|(_, url)| matches!(opened.kind(url), Kind::Sqs(_))) {
            opened.sqs = Some(Sqs::new(aws_sdk_sqs::Client::new(&aws_config().await?)));
        }
        for (variable, url) in all {
            opened.check(variable, &url).await?;
        }
        Ok(opened)
    }

    async fn check(&self, variable: &'static str, url: &str) -> Result<(), StartError> {
        let checked = match self.kind(url) {
            // The host has checked its URL. A request could only ask for a permission that sending does not need.
            Kind::CloudTasks | Kind::Sqs(None) => Ok(()),
            Kind::Azure(azure) => azure.check(url).await,
            Kind::Sqs(Some(sqs)) => sqs.check(url).await,
        };
        match checked {
            Ok(()) => Ok(()),
            Err(
                missing @ SourceError {
                    fault: SourceFault::Refused,
                    ..
                },
            ) => Err(StartError::Destination(variable, missing)),
            Err(error) => {
                tracing::warn!("{variable} could not be checked at start: {}", Chain(&error));
                Ok(())
            }
        }
    }

    fn kind(&self, url: &str) -> Kind<'_> {
        let of_account = |account: &&Account| url.starts_with(&account.prefix);
        match (cloud_tasks::is_url(url), self.azure.as_ref().filter(of_account)) {
            (true, _) => Kind::CloudTasks,
            (false, Some(account)) => Kind::Azure(&account.queues),
            (false, None) => Kind::Sqs(self.sqs.as_ref()),
        }
    }
}

impl Queues for Destinations {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        match self.kind(queue) {
            Kind::CloudTasks => self.cloud_tasks.send(queue, messages).await,
            Kind::Azure(azure) => azure.send(queue, messages).await,
            Kind::Sqs(Some(sqs)) => sqs.send(queue, messages).await,
            Kind::Sqs(None) => {
                let why = "no setting named a queue of SQS at start: read its URL with host::queue_url";
                Err(QueueError::refused(queue, why))
            }
        }
    }

    fn limits(&self, queue: &str) -> Limits {
        match self.kind(queue) {
            Kind::CloudTasks | Kind::Sqs(None) => self.cloud_tasks.limits(queue),
            Kind::Azure(azure) => azure.limits(queue),
            Kind::Sqs(Some(sqs)) => sqs.limits(queue),
        }
    }
}
