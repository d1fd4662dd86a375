//! All queues of one region, and what crosses from one queue to another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::clock::Clock;
use super::errors;
use super::fields::Fields;
use super::message::Stored;
use super::move_task::MoveTask;
use super::queue::Queue;
use super::saved::Saved;
use super::settings::Settings;
use crate::ApiError;
use crate::recent::Recent;

/// The account that owns everything here, as in other emulators.
pub(crate) const ACCOUNT: &str = "000000000000";

#[derive(Debug)]
pub(crate) struct World {
    endpoint: String,
    region: String,
    pub(crate) clock: Clock,
    pub(crate) queues: BTreeMap<String, Queue>,
    next_slot: u64,
    /// Receives by message ID.
    pub(crate) deliveries: Recent<u32>,
    /// By queue name, how many messages yet to be sent will be stored twice.
    pub(crate) to_duplicate: HashMap<String, u32>,
    /// In the order of their start.
    pub(crate) move_tasks: Vec<MoveTask>,
    /// What was to be restored to queues that did not exist.
    pub(crate) unclaimed: Saved,
}

impl World {
    pub(crate) fn new(endpoint: &str, region: &str) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            clock: Clock::start(),
            queues: BTreeMap::new(),
            next_slot: 1,
            deliveries: Recent::default(),
            to_duplicate: HashMap::new(),
            move_tasks: Vec::new(),
            unclaimed: Saved::default(),
        }
    }

    pub(crate) fn url(&self, queue: &str) -> String {
        url(&self.endpoint, queue)
    }

    pub(crate) fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{queue}", self.region)
    }

    pub(crate) fn queue_of_arn(&self, arn: &str) -> Option<&Queue> {
        self.queues.get(self.name_of_arn(arn)?)
    }

    /// The name in an ARN of this account and region, whether or not there is such a queue.
    pub(crate) fn name_of_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let name = arn.rsplit(':').next()?;
        (self.arn(name) == arn).then_some(name)
    }

    /// The messages that consumers have deleted, by queue, of queues that report it.
    pub(crate) fn take_deleted(&mut self) -> Vec<(String, Vec<String>)> {
        let queues = self.queues.iter_mut();
        let deleted = queues.filter_map(|(name, queue)| Some((name, queue.deleted.as_mut()?)));
        let deleted = deleted.filter(|(_, messages)| !messages.is_empty());
        deleted
            .map(|(name, messages)| (name.clone(), std::mem::take(messages)))
            .collect()
    }

    /// The queue with this name, as it is now.
    pub(crate) fn queue(&mut self, name: &str, now: Instant) -> Result<&mut Queue, ApiError> {
        let queue = self.queues.get_mut(name).ok_or_else(errors::queue_does_not_exist)?;
        queue.advance(now);
        Ok(queue)
    }

    /// The queue of the request's `QueueUrl`.
    pub(crate) fn queue_of(&mut self, request: &Fields<'_>, now: Instant) -> Result<&mut Queue, ApiError> {
        self.queue(queue_name(request)?, now)
    }

    /// Puts a copy at the end of a queue.
    pub(crate) fn store(&mut self, queue: &str, stored: Stored) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.messages.insert(self.next_slot, stored);
            self.next_slot += 1;
        }
    }

    /// Where a queue's messages go after too many receives, if that queue exists.
    pub(crate) fn dead_letter_queue(&self, queue: &str) -> Option<(String, u32)> {
        let redrive = self.queues.get(queue)?.settings.redrive.as_ref()?;
        let name = self.name_of_arn(&redrive.target_arn)?;
        self.queues
            .contains_key(name)
            .then(|| (name.to_owned(), redrive.max_receive_count))
    }

    /// Moves a copy to a dead-letter queue. Its retention goes on counting on a standard queue and starts anew on a FIFO one:
    /// [dead-letter queues](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html).
    pub(crate) fn dead_letter(&mut self, stored: Stored, source: &str, target: &str, now: Instant) {
        let mut stored = stored.moved(self.arn(source), now);
        if self.queues.get(target).is_some_and(Queue::is_fifo) {
            stored.enqueued_at = now;
            stored.message = Arc::new(stored.message.of_fifo_dead_letter());
        }
        self.store(target, stored);
    }

    /// Whether the target of a queue's redrive policy exists, is of the same type and allows this source.
    pub(crate) fn check_redrive(&self, source: &str, settings: &Settings) -> Result<(), ApiError> {
        let Some(redrive) = &settings.redrive else {
            return Ok(());
        };
        let target = self.queue_of_arn(&redrive.target_arn);
        let reason = match target.map(|target| &target.settings) {
            None => "Dead letter target does not exist.",
            Some(target) if target.fifo.is_some() != settings.fifo.is_some() => {
                "Dead-letter queue must be same type of queue as the source."
            }
            Some(target) if !target.redrive_allow.allows(&self.arn(source)) => {
                "The RedriveAllowPolicy of the dead-letter queue does not allow this source queue."
            }
            Some(_) => return Ok(()),
        };
        Err(errors::invalid_value("RedrivePolicy", redrive, reason))
    }
}

/// A queue's URL at an endpoint.
pub(crate) fn url(endpoint: &str, queue: &str) -> String {
    format!("{endpoint}/{ACCOUNT}/{queue}")
}

/// The name in the request's `QueueUrl`, whatever host it names: clients reach the stack under several. In this process a queue
/// may also be given by its name alone.
///
/// # Errors
/// It is no URL with an account and a name, such as an ARN; or the account is another.
pub(crate) fn queue_name<'a>(request: &Fields<'a>) -> Result<&'a str, ApiError> {
    let url = request.text("QueueUrl")?.filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| errors::missing_parameter("QueueUrl"))?;
    match account_and_name(url) {
        Some((ACCOUNT, name)) => Ok(name),
        Some(_) => Err(errors::queue_does_not_exist()),
        None if !url.contains(['/', ':']) => Ok(url),
        None => Err(errors::invalid_address(url)),
    }
}

/// Over the network a queue is given by its URL, as on AWS.
pub(crate) fn check_address(request: &Value) -> Result<(), ApiError> {
    match request["QueueUrl"].as_str().filter(|url| !url.is_empty()) {
        Some(url) if account_and_name(url).is_none() => Err(errors::invalid_address(url)),
        _ => Ok(()),
    }
}

fn account_and_name(url: &str) -> Option<(&str, &str)> {
    let address = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let (_host, path) = address.split_once('/')?;
    let (account, name) = path.split_once('/')?;
    (!name.is_empty() && !name.contains('/')).then_some((account, name))
}

/// The queue name at the end of a URL; a bare name is one already.
pub(crate) fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
