//! `local send`: files become messages.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::send_message::SendMessageError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::{EndpointArgs, Outcome};

#[derive(Args)]
pub(crate) struct SendArgs {
    /// The queue's name
    queue: String,
    /// Each an SQS event such as those under events/, of which every record is sent, or else the body of one message
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

pub(crate) async fn run(args: SendArgs) -> Outcome {
    let endpoint = &args.endpoint.endpoint_url;
    let client = local::sqs_client(endpoint).await;
    // All files are read before anything is sent.
    let files: Vec<_> = args
        .files
        .iter()
        .map(|path| Ok((path, read(path)?)))
        .collect::<Result<_, String>>()?;
    let url = client.get_queue_url().queue_name(&args.queue).send().await;
    let url = url
        .map_err(|error| trouble(&args.queue, endpoint, &error))?
        .queue_url
        .unwrap_or_default();
    for (path, messages) in files {
        for message in messages {
            let sent = send(&client, &url, &message).await;
            let id = sent.map_err(|error| trouble(&args.queue, endpoint, &error))?;
            println!("{id} {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What of a record of an SQS event makes a new message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) body: String,
    group: Option<String>,
    deduplication_id: Option<String>,
    attributes: HashMap<String, MessageAttributeValue>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    body: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
    #[serde(default)]
    message_attributes: HashMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// The messages in a file: the records of an event, or the whole of it as one body.
pub(crate) fn read(path: &Path) -> Result<Vec<Message>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let is_event = serde_json::from_str::<Value>(&text).is_ok_and(|value| value.get("Records").is_some());
    if !is_event {
        return Ok(vec![Message {
            body: text.trim_end_matches('\n').to_owned(),
            ..Message::default()
        }]);
    }
    let broken = |error: String| format!("{} has Records, but is no SQS event: {error}", path.display());
    let event: Event = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    event
        .records
        .into_iter()
        .map(|record| record.message().map_err(broken))
        .collect()
}

impl Record {
    fn message(mut self) -> Result<Message, String> {
        let attributes = self.message_attributes.into_iter();
        let attributes = attributes
            .map(|(name, value)| Ok((name, value.value()?)))
            .collect::<Result<_, String>>()?;
        Ok(Message {
            body: self.body,
            group: self.attributes.remove("MessageGroupId"),
            deduplication_id: self.attributes.remove("MessageDeduplicationId"),
            attributes,
        })
    }
}

impl Attribute {
    fn value(self) -> Result<MessageAttributeValue, String> {
        let binary = self
            .binary_value
            .map(|text| BASE64.decode(text))
            .transpose()
            .map_err(|error| error.to_string())?;
        let value = MessageAttributeValue::builder()
            .data_type(self.data_type)
            .set_string_value(self.string_value);
        value
            .set_binary_value(binary.map(Blob::new))
            .build()
            .map_err(|error| error.to_string())
    }
}

/// Sends a message, and gives back the ID that it gets.
pub(crate) async fn send(
    client: &Client,
    queue_url: &str,
    message: &Message,
) -> Result<String, SdkError<SendMessageError>> {
    let sent = client
        .send_message()
        .queue_url(queue_url)
        .message_body(&message.body)
        .set_message_group_id(message.group.clone())
        .set_message_deduplication_id(message.deduplication_id.clone())
        .set_message_attributes((!message.attributes.is_empty()).then(|| message.attributes.clone()))
        .send()
        .await?;
    Ok(sent.message_id.unwrap_or_default())
}

fn trouble<E>(queue: &str, endpoint: &str, error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match (error.code(), error.message()) {
        (Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue"), _) => {
            format!("there is no queue {queue} at {endpoint}")
        }
        (Some(code), message) => format!("{endpoint} refused: {code}: {}", message.unwrap_or_default()),
        (None, _) => format!(
            "{endpoint} can't be reached; start the stack with `cargo run -p local -- up`, or name another with \
             --endpoint-url ({})",
            DisplayErrorContext(error)
        ),
    }
}
