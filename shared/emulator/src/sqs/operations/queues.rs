//! Creating, finding and removing queues.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::tags;
use crate::ApiError;
use crate::sqs::errors;
use crate::sqs::fields::Fields;
use crate::sqs::queue::Queue;
use crate::sqs::settings::Settings;
use crate::sqs::world::{ACCOUNT, World, queue_name};

/// The longest page of a listing, and its default.
const MAX_RESULTS: i64 = 1000;

pub(super) fn create(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = request.required_text("QueueName")?;
    let attributes = request.text_map("Attributes")?;
    let tags = request.text_map("tags")?;
    let fifo = attributes.contains(&("FifoQueue", "true"));
    check_name(name, fifo)?;
    if let Some(existing) = world.queues.get(name) {
        check_same(existing, &attributes)?;
    } else {
        let mut settings = Settings::new(fifo);
        settings.set_all(&attributes)?;
        world.check_redrive(name, &settings)?;
        let mut queue = Queue::new(settings, now);
        tags::put(&mut queue.tags, name, &tags)?;
        world.queues.insert(name.to_owned(), queue);
    }
    Ok(json!({ "QueueUrl": world.url(name) }))
}

/// 1 to 80 characters, including `.fifo` if the queue is FIFO:
/// [CreateQueue](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html).
fn check_name(name: &str, fifo: bool) -> Result<(), ApiError> {
    let stem = if fifo {
        name.strip_suffix(".fifo").unwrap_or_default()
    } else {
        name
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !stem.is_empty() && name.len() <= 80 && stem.bytes().all(allowed) {
        return Ok(());
    }
    Err(errors::invalid_parameter(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

/// Creating a queue again is fine unless it names an attribute with another value.
fn check_same(existing: &Queue, attributes: &[(&str, &str)]) -> Result<(), ApiError> {
    let mut wanted = existing.settings.clone();
    wanted.set_all(attributes)?;
    let (wanted, existing) = (wanted.describe(), existing.settings.describe());
    match attributes
        .iter()
        .find(|(name, _)| wanted.get(*name) != existing.get(*name))
    {
        None => Ok(()),
        Some((name, _)) => {
            let problem = "A queue already exists with the same name and a different value for attribute";
            Err(errors::sqs("QueueNameExists", format!("{problem} {name}")))
        }
    }
}

pub(super) fn get_url(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = request.required_text("QueueName")?;
    let owner = request.text("QueueOwnerAWSAccountId")?;
    if owner.is_some_and(|owner| owner != ACCOUNT) {
        return Err(errors::queue_does_not_exist());
    }
    world.queue(name, now)?;
    Ok(json!({ "QueueUrl": world.url(name) }))
}

pub(super) fn delete(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    world.queue(name, now)?;
    world.queues.remove(name);
    Ok(json!({}))
}

/// What was sent stays remembered for deduplication.
pub(super) fn purge(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    world.queue_of(request, now)?.messages.clear();
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, request: &Fields<'_>, _: Instant) -> Result<Value, ApiError> {
    let prefix = request.text("QueueNamePrefix")?.unwrap_or_default();
    let names = world.queues.keys().filter(|name| name.starts_with(prefix));
    let mut answer = page(world, request, "QueueUrls", names.map(String::as_str))?;
    if let Value::Object(members) = &mut answer {
        members.retain(|_, urls| urls != &json!([]));
    }
    Ok(answer)
}

pub(super) fn list_dead_letter_sources(
    world: &mut World,
    request: &Fields<'_>,
    now: Instant,
) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    world.queue(name, now)?;
    let arn = world.arn(name);
    let is_source = |queue: &Queue| {
        queue
            .settings
            .redrive
            .as_ref()
            .is_some_and(|redrive| redrive.target_arn == arn)
    };
    let names = world
        .queues
        .iter()
        .filter(|(_, queue)| is_source(queue))
        .map(|(name, _)| name.as_str());
    page(world, request, "queueUrls", names)
}

/// One page of URLs under this member; the token for the next page is the last name of this one. Without `MaxResults` there is
/// no token: [ListQueues](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html).
fn page<'a>(
    world: &World,
    request: &Fields<'_>,
    member: &str,
    sorted_names: impl Iterator<Item = &'a str>,
) -> Result<Value, ApiError> {
    let requested = request.integer("MaxResults")?;
    let max = requested.unwrap_or(MAX_RESULTS);
    if !(1..=MAX_RESULTS).contains(&max) {
        return Err(errors::out_of_range("MaxResults", max, 1, MAX_RESULTS));
    }
    let max = usize::try_from(max).unwrap_or(1);
    let after = request.text("NextToken")?.map(decode_token).transpose()?;
    let rest = sorted_names.filter(|name| after.as_deref().is_none_or(|after| *name > after));
    let names: Vec<&str> = rest.take(max + 1).collect();
    let shown = &names[..names.len().min(max)];
    let urls: Vec<String> = shown.iter().map(|name| world.url(name)).collect();
    let mut answer = json!({ member: urls });
    if let (Some(last), true) = (shown.last(), requested.is_some() && names.len() > max) {
        answer["NextToken"] = STANDARD.encode(last).into();
    }
    Ok(answer)
}

fn decode_token(token: &str) -> Result<String, ApiError> {
    let name = STANDARD
        .decode(token)
        .ok()
        .and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(|| errors::invalid_value("NextToken", token, "Not a token of an earlier page."))
}
