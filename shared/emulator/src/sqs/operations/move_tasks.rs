//! Message move tasks: start, list and cancel.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ApiError;
use crate::sqs::errors;
use crate::sqs::fields::Fields;
use crate::sqs::message::MessageState;
use crate::sqs::move_task::{MoveTask, Status};
use crate::sqs::world::World;

/// The fastest rate, in messages per second.
const MAX_RATE: i64 = 500;
/// As many tasks of a queue are listed at most.
const MAX_RESULTS: i64 = 10;

pub(super) fn start(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let source = existing(world, "SourceArn", request.required_text("SourceArn")?)?;
    let destination = request.text("DestinationArn")?.filter(|arn| !arn.is_empty());
    let destination = destination
        .map(|arn| existing(world, "DestinationArn", arn))
        .transpose()?;
    let rate = rate(request)?;
    check_queues(world, &source, destination.as_deref())?;
    let mut tasks = world.move_tasks.iter();
    if tasks.any(|task| task.source == source && task.is_running()) {
        return Err(errors::invalid_parameter(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ));
    }
    let task = MoveTask {
        id: Uuid::new_v4(),
        to_move: world.queue(&source, now)?.messages.count(MessageState::Visible, now),
        source,
        destination,
        rate,
        started_at: now,
        moved: 0,
        status: Status::Running,
    };
    let handle = handle(world, &task);
    world.move_tasks.push(task);
    world.run_move_tasks(now);
    Ok(json!({ "TaskHandle": handle }))
}

pub(super) fn list(world: &mut World, request: &Fields<'_>, _: Instant) -> Result<Value, ApiError> {
    let source = existing(world, "SourceArn", request.required_text("SourceArn")?)?;
    let max = request.integer("MaxResults")?.unwrap_or(1);
    if !(1..=MAX_RESULTS).contains(&max) {
        return Err(errors::out_of_range("MaxResults", max, 1, MAX_RESULTS));
    }
    let newest_first = world.move_tasks.iter().rev();
    let tasks = newest_first.filter(|task| task.source == source);
    let tasks = tasks.take(usize::try_from(max).unwrap_or(1));
    let results: Vec<_> = tasks.map(|task| describe(world, task)).collect();
    Ok(json!({ "Results": results }))
}

pub(super) fn cancel(world: &mut World, request: &Fields<'_>, _: Instant) -> Result<Value, ApiError> {
    let (id, source) = parse_handle(request.required_text("TaskHandle")?)
        .ok_or_else(|| errors::invalid_parameter("Value for parameter TaskHandle is invalid."))?;
    let source = existing(world, "SourceArn", &source)?;
    let mut tasks = world.move_tasks.iter_mut();
    let task = tasks.find(|task| task.id == id && task.source == source);
    let task = task.ok_or_else(|| errors::resource_not_found("Task does not exist."))?;
    if !task.is_running() {
        let message = "Only a message move task whose status is RUNNING can be cancelled.";
        return Err(errors::sqs("UnsupportedOperation", message));
    }
    task.status = Status::Cancelled;
    Ok(json!({ "ApproximateNumberOfMessagesMoved": task.moved }))
}

/// The name of the queue with this ARN.
fn existing(world: &World, parameter: &str, arn: &str) -> Result<String, ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if parts.len() != 6 || parts[0] != "arn" || parts[1..].iter().any(|part| part.is_empty()) {
        return Err(errors::invalid_parameter(format!(
            "You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )));
    }
    let name = world.name_of_arn(arn).filter(|name| world.queues.contains_key(*name));
    name.map(str::to_owned).ok_or_else(|| {
        errors::resource_not_found(format!(
            "The resource that you specified for the {parameter} parameter doesn't exist."
        ))
    })
}

fn rate(request: &Fields<'_>) -> Result<Option<u32>, ApiError> {
    const NAME: &str = "MaxNumberOfMessagesPerSecond";
    match request.integer(NAME)? {
        Some(rate) if !(1..=MAX_RATE).contains(&rate) => Err(errors::out_of_range(NAME, rate, 1, MAX_RATE)),
        rate => Ok(rate.and_then(|rate| u32::try_from(rate).ok())),
    }
}

/// The source is a dead-letter queue, and the destination another queue of its type.
fn check_queues(world: &World, source: &str, destination: Option<&str>) -> Result<(), ApiError> {
    let arn = world.arn(source);
    let policies = world
        .queues
        .values()
        .filter_map(|queue| queue.settings.redrive.as_ref());
    let problem = if !policies.into_iter().any(|policy| policy.target_arn == arn) {
        "Source queue must be configured as a Dead Letter Queue."
    } else if destination == Some(source) {
        "Source queue and destination queue must be different queues."
    } else if destination.is_some_and(|name| name.ends_with(".fifo") != source.ends_with(".fifo")) {
        "Source queue and destination queue must be of the same type."
    } else {
        return Ok(());
    };
    Err(errors::invalid_parameter(problem))
}

/// Opaque to clients; on AWS, too, it is made of these two.
fn handle(world: &World, task: &MoveTask) -> String {
    STANDARD.encode(json!({ "taskId": task.id.to_string(), "sourceArn": world.arn(&task.source) }).to_string())
}

fn parse_handle(handle: &str) -> Option<(Uuid, String)> {
    let json: Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
    Some((
        json["taskId"].as_str()?.parse().ok()?,
        json["sourceArn"].as_str()?.to_owned(),
    ))
}

/// Which members there are, and when:
/// [ListMessageMoveTasksResultEntry](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasksResultEntry.html).
fn describe(world: &World, task: &MoveTask) -> Value {
    let started = u64::try_from(world.clock.epoch_millis(task.started_at)).unwrap_or(u64::MAX);
    let mut entry = json!({
        "SourceArn": world.arn(&task.source),
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": started,
    });
    if let Some(destination) = &task.destination {
        entry["DestinationArn"] = world.arn(destination).into();
    }
    if let Some(rate) = task.rate {
        entry["MaxNumberOfMessagesPerSecond"] = rate.into();
    }
    let status = match task.status {
        Status::Running => {
            entry["TaskHandle"] = handle(world, task).into();
            "RUNNING"
        }
        Status::Completed => "COMPLETED",
        Status::Cancelled => "CANCELLED",
        Status::Failed(reason) => {
            entry["FailureReason"] = reason.into();
            "FAILED"
        }
    };
    entry["Status"] = status.into();
    entry
}
