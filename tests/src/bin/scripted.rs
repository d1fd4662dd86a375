//! The scripted handler as a Lambda function, for the outcome tests. No sample function has all outcomes.

use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use consumer::{Delivery, Failure, Mode};
use host::{SettingError, queue_url, setting, table};
use idempotency::{DynamoDbWrite, OutgoingMessage, Timestamp};
use scripted::{Action, Effects, Kind, Refused, Script, Scripted, kind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match setting("HANDLER").as_deref() {
        Ok("one-step") => run::<kind::OneStep>().await,
        Ok("natural") => run::<kind::Natural>().await,
        Ok("sns") => run::<kind::Sns>().await,
        Ok("event-bridge") => run::<kind::EventBridge>().await,
        Ok("holding") => run::<Holding>().await,
        Ok("short-timeout") => run::<ShortTimeout>().await,
        Ok("business") => run::<kind::Business>().await,
        Ok("deduplication") => run::<kind::Deduplication>().await,
        _ => run::<kind::Claiming>().await,
    }
}

async fn run<K: Kind>() -> ExitCode {
    let config = match host::request_timeout() {
        Ok(timeout) => Ok(aws::sdk_config(timeout).await),
        Err(error) => Err(error),
    };
    lambda::run(|| Ok(Scripted::<K, _>::with(Tables::from_env(Client::new(&config?))?))).await
}

/// In one step, so that each delivery of the message that holds its group is a run.
struct Holding;
impl Kind for Holding {
    const MODE: Mode = Mode::OneStep;
    const HOLD_GROUP: bool = true;
}

struct ShortTimeout;
impl Kind for ShortTimeout {
    // Enough for a message that does not hang, also on a busy machine.
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(10));
}

/// Effects in tables, where the test reads them, and in the queue that the function consumes.
struct Tables {
    client: Client,
    runs_table: String,
    counts_table: String,
    own_queue: String,
}

impl Tables {
    fn from_env(client: Client) -> Result<Self, SettingError> {
        Ok(Self {
            client,
            runs_table: table("RUNS_TABLE")?,
            counts_table: table("COUNTS_TABLE")?,
            own_queue: queue_url("OWN_QUEUE_URL")?,
        })
    }
}

impl Effects for Tables {
    type Write = DynamoDbWrite;

    async fn started(&self, delivery: &Delivery) -> Result<(), Failure> {
        let now = Timestamp::now().millis();
        let receives = delivery.receive_count();
        // Two processes may start copies in the same millisecond.
        let process = std::process::id();
        let id = format!("{} {receives} {now} {process}", delivery.message_id());
        let put = self.client.put_item().table_name(&self.runs_table);
        put.item("id", AttributeValue::S(id))
            .item("message", AttributeValue::S(delivery.message_id().to_owned()))
            .item("started", AttributeValue::N(now.to_string()))
            .item("origin", AttributeValue::S(origin(delivery)))
            .send()
            .await?;
        Ok(())
    }

    /// Counts the idempotency token, which is not idempotent by itself. It has no condition and is never refused.
    fn write(&self, _: Refused, delivery: &Delivery) -> Result<DynamoDbWrite, Failure> {
        let update = Update::builder()
            .table_name(&self.counts_table)
            .key("id", AttributeValue::S(delivery.idempotency_token()))
            .update_expression("ADD times :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .build()?;
        Ok(DynamoDbWrite::update(update))
    }

    /// Two messages with one write each.
    fn outgoing(&self) -> Result<Vec<OutgoingMessage>, Failure> {
        let message = OutgoingMessage::json(&self.own_queue, &Script::new([Action::Write]))?;
        Ok(vec![message.clone(), message])
    }

    /// The test puts an item `released` into the table of counts.
    async fn released(&self) -> Result<(), Failure> {
        let released = AttributeValue::S("released".to_owned());
        let get = self.client.get_item().table_name(&self.counts_table);
        let get = get.key("id", released);
        while get.clone().send().await?.item.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// What the envelope of the message stated.
fn origin(delivery: &Delivery) -> String {
    let Some(origin) = delivery.origin() else {
        return String::new();
    };
    let fields = [origin.id(), origin.source(), origin.subject().unwrap_or_default()];
    let attribute = origin.attribute("tenant").or(origin.attribute("account"));
    let attribute = attribute.unwrap_or_default();
    format!("{} {} {attribute}", fields.join(" "), origin.time())
}
