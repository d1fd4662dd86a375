//! The operations that answer at once, each one function from request to response.

mod attributes;
mod move_tasks;
mod queues;
mod send;
mod settle;
mod tags;

pub(crate) use attributes::NAMES as QUEUE_ATTRIBUTES;
use serde_json::Value;
use tokio::time::Instant;

use super::errors;
use super::fields::Fields;
use super::world::World;
use crate::ApiError;

/// Everything but `ReceiveMessage`, which may have to wait.
pub(crate) fn run(world: &mut World, operation: &str, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let run = match operation {
        "CreateQueue" => queues::create,
        "GetQueueUrl" => queues::get_url,
        "ListQueues" => queues::list,
        "ListDeadLetterSourceQueues" => queues::list_dead_letter_sources,
        "DeleteQueue" => queues::delete,
        "PurgeQueue" => queues::purge,
        "GetQueueAttributes" => attributes::get,
        "SetQueueAttributes" => attributes::set,
        "SendMessage" => send::one,
        "SendMessageBatch" => send::batch,
        "DeleteMessage" => settle::delete,
        "DeleteMessageBatch" => settle::delete_batch,
        "ChangeMessageVisibility" => settle::change_visibility,
        "ChangeMessageVisibilityBatch" => settle::change_visibility_batch,
        "TagQueue" => tags::add,
        "UntagQueue" => tags::remove,
        "ListQueueTags" => tags::list,
        "StartMessageMoveTask" => move_tasks::start,
        "ListMessageMoveTasks" => move_tasks::list,
        "CancelMessageMoveTask" => move_tasks::cancel,
        "AddPermission" | "RemovePermission" => return Err(unsupported(operation)),
        _ => return Err(unknown(operation)),
    };
    run(world, request, now)
}

fn unknown(operation: &str) -> ApiError {
    let message = format!("SQS has no operation {operation}.");
    ApiError::bad_request("com.amazon.coral.service#UnknownOperationException", message)
}

fn unsupported(operation: &str) -> ApiError {
    let advice = "the local stack does not emulate it; point --endpoint-url at another emulator or at AWS";
    errors::sqs("UnsupportedOperation", format!("SQS {operation}: {advice}"))
}
