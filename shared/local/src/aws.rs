//! The stack as a client of SQS and DynamoDB: its own, or those at another endpoint.

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::types::QueueAttributeName;
use sam::{Queue, Table};
use serde_json::Value;

/// The region of the stack when the environment names none.
const REGION: &str = "us-east-1";

/// Longer than the longest wait of SQS for messages, twenty seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// DynamoDB itself takes some ten seconds to create a table; the local stack takes none.
const CREATION: Duration = Duration::from_secs(120);

/// The environment's region, or the one that AWS's own tools begin with.
pub(crate) fn region() -> String {
    let set = |name| env::var(name).ok().filter(|region| !region.is_empty());
    set("AWS_REGION")
        .or_else(|| set("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| REGION.to_owned())
}

/// A client of the SQS at an endpoint: this stack's, another emulator's, or AWS's.
///
/// Region and credentials are the environment's, or any: emulators don't mind.
pub async fn sqs_client(endpoint: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::config::Builder::from(&config().await);
    aws_sdk_sqs::Client::from_conf(config.endpoint_url(endpoint).build())
}

/// A client of the DynamoDB at an endpoint, likewise.
pub async fn dynamodb_client(endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(&config().await);
    aws_sdk_dynamodb::Client::from_conf(config.endpoint_url(endpoint).build())
}

/// Clients of both services.
#[derive(Clone)]
pub(crate) struct Clients {
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

/// The endpoint refused to create what the template names.
#[derive(Debug, thiserror::Error)]
#[error("{what} {name} can't be created at {endpoint}: {why}")]
pub struct CreateError {
    what: &'static str,
    name: String,
    endpoint: String,
    why: String,
}

impl Clients {
    pub(crate) async fn at(sqs: &str, dynamodb: &str) -> Self {
        Self {
            sqs: sqs_client(sqs).await,
            dynamodb: dynamodb_client(dynamodb).await,
        }
    }

    /// Creates a queue unless it exists, and returns its URL.
    pub(crate) async fn create_queue(&self, queue: &Queue, endpoint: &str) -> Result<String, CreateError> {
        let attributes: HashMap<_, _> = (queue.attributes.iter())
            .map(|(name, value)| (QueueAttributeName::from(name.as_str()), value.clone()))
            .collect();
        let created = self
            .sqs
            .create_queue()
            .queue_name(&queue.name)
            .set_attributes(Some(attributes))
            .send()
            .await;
        let created = created.map_err(|error| failed("queue", &queue.name, endpoint, &error))?;
        Ok(created.queue_url.unwrap_or_default())
    }

    /// Creates a table unless it exists, and sets its time to live.
    pub(crate) async fn create_table(&self, table: &Table, endpoint: &str) -> Result<(), CreateError> {
        let invalid = |why: String| CreateError {
            what: "table",
            name: table.name.clone(),
            endpoint: endpoint.to_owned(),
            why,
        };
        let request = self
            .dynamodb
            .create_table()
            .table_name(&table.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes(&table.create).map_err(invalid)?))
            .set_key_schema(Some(keys(&table.create).map_err(invalid)?));
        match request.send().await {
            Err(error) if error.code() == Some("ResourceInUseException") => return Ok(()),
            created => created.map_err(|error| failed("table", &table.name, endpoint, &error))?,
        };
        let active = self.dynamodb.wait_until_table_exists().table_name(&table.name);
        active
            .wait(CREATION)
            .await
            .map_err(|error| invalid(error.to_string()))?;
        let Some(attribute) = &table.time_to_live else {
            return Ok(());
        };
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name(attribute)
            .enabled(true);
        let ttl = ttl.build().map_err(|error| invalid(error.to_string()))?;
        self.set_time_to_live(table, ttl, endpoint).await
    }

    async fn set_time_to_live(
        &self,
        table: &Table,
        ttl: TimeToLiveSpecification,
        endpoint: &str,
    ) -> Result<(), CreateError> {
        let set = self
            .dynamodb
            .update_time_to_live()
            .table_name(&table.name)
            .time_to_live_specification(ttl);
        set.send()
            .await
            .map_err(|error| failed("table", &table.name, endpoint, &error))
            .map(drop)
    }
}

/// The functions' own configuration, but for what a tool on a workstation needs to be different.
///
/// The endpoint is for the service's own configuration: here the environment's, which may be another stack's, would outweigh
/// it.
async fn config() -> SdkConfig {
    let config = ::aws::sdk_config(REQUEST_TIMEOUT).await.into_builder();
    let config = config.region(Region::new(region()));
    match env::var_os("AWS_ACCESS_KEY_ID") {
        Some(_) => config.build(),
        None => config.credentials_provider(any_credentials()).build(),
    }
}

fn any_credentials() -> aws_sdk_sqs::config::SharedCredentialsProvider {
    let credentials = aws_sdk_sqs::config::Credentials::new("local", "local", None, None, "the local stack");
    aws_sdk_sqs::config::SharedCredentialsProvider::new(credentials)
}

fn attributes(create: &Value) -> Result<Vec<AttributeDefinition>, String> {
    list(create, "AttributeDefinitions", |definition| {
        AttributeDefinition::builder()
            .attribute_name(text(definition, "AttributeName"))
            .attribute_type(ScalarAttributeType::from(text(definition, "AttributeType")))
            .build()
    })
}

fn keys(create: &Value) -> Result<Vec<KeySchemaElement>, String> {
    list(create, "KeySchema", |key| {
        KeySchemaElement::builder()
            .attribute_name(text(key, "AttributeName"))
            .key_type(KeyType::from(text(key, "KeyType")))
            .build()
    })
}

fn list<T, E: ToString>(from: &Value, name: &str, read: impl Fn(&Value) -> Result<T, E>) -> Result<Vec<T>, String> {
    let items = from[name].as_array().into_iter().flatten();
    items
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{name}: {}", error.to_string()))
}

fn text<'a>(from: &'a Value, name: &str) -> &'a str {
    from[name].as_str().unwrap_or_default()
}

fn failed<E, R>(what: &'static str, name: &str, endpoint: &str, error: &SdkError<E, R>) -> CreateError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    CreateError {
        what,
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
        why: reason(error),
    }
}

/// The service's error, or why there was no answer.
fn reason<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => cli::innermost(error).to_string(),
    }
}

/// Why a service gave no answer: the innermost cause, and what to do.
pub fn no_answer(endpoint: &str, error: &(dyn std::error::Error + 'static)) -> String {
    let cause = cli::innermost(error);
    // These state themselves what to do.
    if cause.is::<::aws::CertificateError>() || cause.is::<::aws::RootsError>() {
        return format!("no answer from {endpoint}: {cause}");
    }
    format!(
        "no answer from {endpoint} ({cause}): start the stack with `cargo run -p local -- up`, or name another with \
         --endpoint-url"
    )
}

/// The credentials in the environment, which another endpoint may check.
pub(crate) fn credentials() -> impl Iterator<Item = (String, String)> {
    set(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
}

/// The files of certificate authorities in the environment: functions are behind the same proxy as this process.
pub(crate) fn authorities() -> impl Iterator<Item = (String, String)> {
    set(["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
}

/// The file of secrets, in place of the extension that a deployed function reads them through. Functions have another working
/// directory, so its path is absolute.
pub(crate) fn secrets() -> impl Iterator<Item = (String, String)> {
    set(["SECRETS_FILE"]).map(|(name, file)| match std::path::absolute(&file) {
        Ok(path) => (name, path.display().to_string()),
        Err(_) => (name, file),
    })
}

fn set<const N: usize>(names: [&str; N]) -> impl Iterator<Item = (String, String)> {
    let variable = |name: &str| Some((name.to_owned(), env::var(name).ok()?));
    names.into_iter().filter_map(variable)
}
