//! Reading and setting a queue's attributes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ApiError;
use crate::sqs::errors;
use crate::sqs::fields::Fields;
use crate::sqs::message::MessageState;
use crate::sqs::world::{World, queue_name};

/// All that can be requested, whether or not this queue has it.
pub(crate) const NAMES: [&str; 22] = [
    "All",
    "Policy",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
    "ApproximateNumberOfMessagesDelayed",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
];

pub(super) fn get(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    world.queue(name, now)?;
    let wanted = request.texts("AttributeNames")?;
    if let Some(unknown) = wanted.iter().find(|name| !NAMES.contains(name)) {
        return Err(errors::unknown_attribute(unknown));
    }
    let mut attributes = describe(world, name, now);
    if !wanted.contains(&"All") {
        attributes.retain(|name, _| wanted.contains(&name.as_str()));
    }
    Ok(if attributes.is_empty() {
        json!({})
    } else {
        json!({ "Attributes": attributes })
    })
}

fn describe(world: &World, name: &str, now: Instant) -> BTreeMap<String, String> {
    let Some(queue) = world.queues.get(name) else {
        return BTreeMap::new();
    };
    let count = |state| queue.messages.count(state, now).to_string();
    let derived = [
        ("QueueArn", world.arn(name)),
        (
            "CreatedTimestamp",
            world.clock.epoch_seconds(queue.created_at).to_string(),
        ),
        (
            "LastModifiedTimestamp",
            world.clock.epoch_seconds(queue.modified_at).to_string(),
        ),
        ("ApproximateNumberOfMessages", count(MessageState::Visible)),
        ("ApproximateNumberOfMessagesNotVisible", count(MessageState::InFlight)),
        ("ApproximateNumberOfMessagesDelayed", count(MessageState::Delayed)),
    ];
    let mut all = queue.settings.describe();
    all.extend(derived.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// All of them are set, or none.
pub(super) fn set(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    let mut settings = world.queue(name, now)?.settings.clone();
    let attributes = request.text_map("Attributes")?;
    if attributes.is_empty() {
        return Err(errors::missing_parameter("Attributes"));
    }
    settings.set_all(&attributes)?;
    world.check_redrive(name, &settings)?;
    world.queue(name, now)?.reconfigure(settings, now);
    Ok(json!({}))
}
