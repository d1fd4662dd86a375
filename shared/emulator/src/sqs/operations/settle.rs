//! Deleting received messages and changing how long they stay hidden.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ApiError;
use crate::sqs::batch;
use crate::sqs::errors;
use crate::sqs::fields::Fields;
use crate::sqs::queue::Queue;
use crate::sqs::world::World;

pub(super) fn delete(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    delete_one(world.queue_of(request, now)?, request, now)
}

pub(super) fn delete_batch(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    each(world, request, "DeleteMessageBatchRequestEntry", now, delete_one)
}

pub(super) fn change_visibility(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    change_one(world.queue_of(request, now)?, request, now)
}

pub(super) fn change_visibility_batch(
    world: &mut World,
    request: &Fields<'_>,
    now: Instant,
) -> Result<Value, ApiError> {
    each(
        world,
        request,
        "ChangeMessageVisibilityBatchRequestEntry",
        now,
        change_one,
    )
}

fn delete_one(queue: &mut Queue, entry: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    queue.delete(entry.required_text("ReceiptHandle")?, now)?;
    Ok(json!({}))
}

fn change_one(queue: &mut Queue, entry: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let handle = entry.required_text("ReceiptHandle")?;
    let timeout = entry.integer("VisibilityTimeout")?;
    let timeout = timeout.ok_or_else(|| errors::missing_parameter(&entry.path("VisibilityTimeout")))?;
    queue.change_visibility(handle, timeout, now)?;
    Ok(json!({}))
}

fn each(
    world: &mut World,
    request: &Fields<'_>,
    kind: &str,
    now: Instant,
    settle: fn(&mut Queue, &Fields<'_>, Instant) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    let queue = world.queue_of(request, now)?;
    let entries = batch::entries(request, kind)?;
    let results = entries
        .iter()
        .map(|entry| (entry.id, settle(queue, &entry.fields, now)));
    Ok(batch::answer(results))
}
