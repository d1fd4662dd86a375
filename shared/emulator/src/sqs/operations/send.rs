//! Sending messages.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ApiError;
use crate::sqs::attributes::{AttributeValue, Attributes};
use crate::sqs::batch::{self, Entry};
use crate::sqs::characters::{check_characters, token};
use crate::sqs::deduplication::{Answered, SendKey};
use crate::sqs::errors;
use crate::sqs::fields::Fields;
use crate::sqs::message::{self, Message, Stored};
use crate::sqs::queue::Queue;
use crate::sqs::settings::{FifoSettings, MAX_MESSAGE_BYTES, Settings};
use crate::sqs::world::{World, queue_name};

const TRACE_HEADER: &str = "AWSTraceHeader";

/// A message to be sent, valid for the queue it is sent to.
struct Draft {
    body: String,
    attributes: Attributes,
    system_attributes: Attributes,
    delay: Duration,
    group: Option<String>,
    deduplication_id: Option<String>,
}

pub(super) fn one(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    send(world, name, request, now)
}

/// The size of all entries together and what a FIFO queue requires are checked for the whole batch, before anything is sent.
pub(super) fn batch(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    let settings = world.queue(name, now)?.settings.clone();
    let entries = batch::entries(request, "SendMessageBatchRequestEntry")?;
    check_total_size(&entries)?;
    if let Some(fifo) = &settings.fifo {
        entries.iter().try_for_each(|entry| check_fifo_entry(entry, fifo))?;
    }
    let results: Vec<_> = entries
        .iter()
        .map(|entry| (entry.id, send(world, name, &entry.fields, now)))
        .collect();
    Ok(batch::answer(results))
}

fn check_total_size(entries: &[Entry<'_>]) -> Result<(), ApiError> {
    let body = |entry: &Entry<'_>| entry.fields.text("MessageBody").ok().flatten().map_or(0, str::len);
    // An entry whose attributes are invalid fails by itself.
    let attributes =
        |entry: &Entry<'_>| Attributes::read(&entry.fields, "MessageAttributes").map_or(0, |all| all.size());
    let total: usize = entries.iter().map(|entry| body(entry) + attributes(entry)).sum();
    if total <= MAX_MESSAGE_BYTES as usize {
        return Ok(());
    }
    let message =
        format!("Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes. You have sent {total} bytes.");
    Err(errors::sqs("BatchRequestTooLong", message))
}

fn check_fifo_entry(entry: &Entry<'_>, fifo: &FifoSettings) -> Result<(), ApiError> {
    if entry.fields.text("MessageGroupId")?.is_none() {
        return Err(errors::invalid_parameter(
            "The request must contain the parameter MessageGroupId.",
        ));
    }
    check_deduplication(entry.fields.text("MessageDeduplicationId")?, fifo)
}

fn check_deduplication(id: Option<&str>, fifo: &FifoSettings) -> Result<(), ApiError> {
    if id.is_some() || fifo.content_based_deduplication {
        return Ok(());
    }
    Err(errors::invalid_parameter(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ))
}

fn send(world: &mut World, queue: &str, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let draft = Draft::read(request, &world.queue(queue, now)?.settings)?;
    let mut answer = json!({ "MD5OfMessageBody": message::md5(&draft.body) });
    let hashes = [
        ("MD5OfMessageAttributes", draft.attributes.md5()),
        ("MD5OfMessageSystemAttributes", draft.system_attributes.md5()),
    ];
    for (name, hash) in hashes {
        if let Some(hash) = hash {
            answer[name] = hash.into();
        }
    }
    let (message_id, sequence_number) = draft.store(world, queue, now)?;
    answer["MessageId"] = message_id.into();
    if let Some(sequence_number) = sequence_number {
        answer["SequenceNumber"] = sequence_number.into();
    }
    Ok(answer)
}

impl Draft {
    fn read(request: &Fields<'_>, settings: &Settings) -> Result<Self, ApiError> {
        let body = request.text("MessageBody")?.filter(|body| !body.is_empty());
        let body = body.ok_or_else(|| errors::missing_parameter("MessageBody"))?;
        let attributes = Attributes::read(request, "MessageAttributes")?;
        if body.len() + attributes.size() > settings.maximum_message_bytes as usize {
            let limit = settings.maximum_message_bytes;
            let message =
                format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.");
            return Err(errors::invalid_parameter(message));
        }
        check_characters(body).map_err(|reason| errors::sqs("InvalidMessageContents", reason))?;
        let group = token(request, "MessageGroupId")?;
        let id = token(request, "MessageDeduplicationId")?;
        Ok(Self {
            body: body.to_owned(),
            attributes,
            system_attributes: system_attributes(request)?,
            delay: delay(request, settings)?,
            deduplication_id: deduplication_id(id, group, body, settings.fifo.as_ref())?,
            group: group.map(str::to_owned),
        })
    }

    /// Stores the message unless it repeats an earlier one, and gives its ID and sequence number.
    fn store(self, world: &mut World, name: &str, now: Instant) -> Result<(String, Option<String>), ApiError> {
        let queue = world.queue(name, now)?;
        let key = SendKey::of(self.group.as_deref(), self.deduplication_id.as_deref(), &queue.settings);
        if let Some(earlier) = key.as_ref().and_then(|key| queue.deduplication.answered(key, now)) {
            return Ok((earlier.message_id, Some(earlier.sequence_number)));
        }
        let message_id = Uuid::new_v4().to_string();
        let mut sequence_number = None;
        if let Some(key) = key {
            let number = queue.deduplication.next_sequence_number();
            let answered = Answered {
                message_id: message_id.clone(),
                sequence_number: number.clone(),
            };
            queue.deduplication.remember(key, answered, now);
            sequence_number = Some(number);
        }
        let delay = self.delay;
        let message = Arc::new(self.into_message(message_id.clone(), sequence_number.clone(), now));
        for _ in 0..copies(world, name) {
            world.store(name, Stored::new(Arc::clone(&message), now, delay));
        }
        Ok((message_id, sequence_number))
    }

    fn into_message(self, id: String, sequence_number: Option<String>, now: Instant) -> Message {
        let trace_header = match self
            .system_attributes
            .get(TRACE_HEADER)
            .map(|attribute| &attribute.value)
        {
            Some(AttributeValue::Text(header)) => Some(header.clone()),
            _ => None,
        };
        Message {
            id,
            body: self.body,
            attributes: self.attributes,
            trace_header,
            group: self.group,
            deduplication_id: self.deduplication_id,
            sequence_number,
            sent_at: now,
        }
    }
}

/// Two if the next message is to be delivered twice. A FIFO queue never does that.
fn copies(world: &mut World, queue: &str) -> u32 {
    if world.queues.get(queue).is_none_or(Queue::is_fifo) {
        return 1;
    }
    match world.to_duplicate.get_mut(queue) {
        Some(left) if *left > 0 => {
            *left -= 1;
            2
        }
        _ => 1,
    }
}

/// The size of system attributes doesn't count.
fn system_attributes(request: &Fields<'_>) -> Result<Attributes, ApiError> {
    let attributes = Attributes::read(request, "MessageSystemAttributes")?;
    let unknown = attributes.names().find(|name| *name != TRACE_HEADER);
    let header = attributes.get(TRACE_HEADER);
    if unknown.is_some() || header.is_some_and(|attribute| attribute.data_type != "String") {
        let message = "The only message system attribute that can be sent is AWSTraceHeader, of type String.";
        return Err(errors::invalid_parameter(message));
    }
    if attributes
        .texts()
        .get(TRACE_HEADER)
        .is_some_and(|header| !is_trace_header(header))
    {
        let message = "The value of AWSTraceHeader must be a correctly formatted AWS X-Ray trace header string.";
        return Err(errors::invalid_parameter(message));
    }
    Ok(attributes)
}

/// Pairs of names and values with `;` between them; one is `Root`, with version, time and a random part. Shorter numbers than
/// X-Ray's are accepted: how strictly SQS reads them is not documented.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn is_trace_header(header: &str) -> bool {
    let is_hexadecimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_root = |id: &str| id.split('-').count() == 3 && id.split('-').all(is_hexadecimal);
    let pairs = || header.split(';').map(|pair| pair.trim().split_once('='));
    pairs().all(|pair| pair.is_some_and(|(name, _)| !name.is_empty()))
        && pairs().flatten().any(|(name, value)| name == "Root" && is_root(value))
}

/// On a FIFO queue only the queue has a delay, though an explicit zero is accepted.
fn delay(request: &Fields<'_>, settings: &Settings) -> Result<Duration, ApiError> {
    let of_queue = i64::from(settings.delay_seconds);
    let seconds = match request.integer("DelaySeconds")? {
        Some(delay) if settings.fifo.is_some() && delay != 0 => {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(errors::invalid_value("DelaySeconds", delay, reason));
        }
        Some(delay) if settings.fifo.is_none() => delay,
        _ => of_queue,
    };
    if !(0..=900).contains(&seconds) {
        return Err(errors::invalid_value(
            "DelaySeconds",
            seconds,
            "DelaySeconds must be >= 0 and <= 900.",
        ));
    }
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

/// The ID to deduplicate by: the sender's, or the hash of the body; none on a standard queue.
fn deduplication_id(
    id: Option<&str>,
    group: Option<&str>,
    body: &str,
    fifo: Option<&FifoSettings>,
) -> Result<Option<String>, ApiError> {
    match (fifo, id) {
        (None, None) => Ok(None),
        (None, Some(id)) => {
            let reason = "The request includes a parameter that is not valid for this queue type.";
            Err(errors::invalid_value("MessageDeduplicationId", id, reason))
        }
        (Some(_), _) if group.is_none() => Err(errors::missing_parameter("MessageGroupId")),
        (Some(fifo), None) => {
            check_deduplication(None, fifo)?;
            Ok(Some(hex::encode(Sha256::digest(body))))
        }
        (Some(_), Some(id)) => Ok(Some(id.to_owned())),
    }
}
