//! A function whose handler does what each message instructs, for the outcome tests. No sample function has all outcomes.

use std::marker::PhantomData;
use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use consumer::{Delivery, Envelope, Failure, Handler, IdempotencyKey, Mode, Received};
use host::{SettingError, setting};
use idempotency::{Completion, DynamoDbWrite, OutgoingMessage, Timestamp};
use serde::Deserialize;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match setting("HANDLER").as_deref() {
        Ok("one-step") => run::<OneStep>().await,
        Ok("natural") => run::<Natural>().await,
        Ok("sns") => run::<Sns>().await,
        Ok("event-bridge") => run::<EventBridge>().await,
        Ok("holding") => run::<Holding>().await,
        Ok("short-timeout") => run::<ShortTimeout>().await,
        Ok("business") => run::<Business>().await,
        Ok("deduplication") => run::<Deduplication>().await,
        _ => run::<Claiming>().await,
    }
}

async fn run<K: Kind>() -> ExitCode {
    let config = match host::request_timeout() {
        Ok(timeout) => Ok(aws::sdk_config(timeout).await),
        Err(error) => Err(error),
    };
    lambda::run(|| Scripted::<K>::from_env(Client::new(&config?))).await
}

/// One action per delivery. The last one applies to all further deliveries.
#[derive(Deserialize)]
struct Script {
    /// The business key, for a handler that uses one.
    #[serde(default)]
    key: String,
    actions: Vec<Action>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    Done,
    /// Done, with a write that counts the idempotency token.
    Count,
    /// Done after this many milliseconds.
    Take(u64),
    /// Done after the test has put an item `released` into the table of counts.
    WhenReleased,
    /// Done, with these scripts as outgoing messages to the same queue.
    Send(Vec<Value>),
    Retry,
    /// Retry after this many seconds.
    RetryAfter(u64),
    Permanent,
    Panic,
    Hang,
}

/// The constants and the key of one kind of handler.
trait Kind: Send + Sync + 'static {
    const MODE: Mode = Mode::ClaimThenComplete;
    const ENVELOPE: Envelope = Envelope::None;
    const TIMEOUT: Option<Duration> = None;
    const HOLD_GROUP: bool = false;

    fn key(_: &Script) -> IdempotencyKey {
        IdempotencyKey::of_message()
    }
}

struct Claiming;
impl Kind for Claiming {}

struct OneStep;
impl Kind for OneStep {
    const MODE: Mode = Mode::OneStep;
}

struct Natural;
impl Kind for Natural {
    const MODE: Mode = Mode::Natural;
}

struct Sns;
impl Kind for Sns {
    const ENVELOPE: Envelope = Envelope::Sns;
}

struct EventBridge;
impl Kind for EventBridge {
    const ENVELOPE: Envelope = Envelope::EventBridge;
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
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));
}

struct Business;
impl Kind for Business {
    fn key(script: &Script) -> IdempotencyKey {
        IdempotencyKey::business(&script.key)
    }
}

struct Deduplication;
impl Kind for Deduplication {
    fn key(_: &Script) -> IdempotencyKey {
        IdempotencyKey::deduplication_id()
    }
}

struct Scripted<K> {
    client: Client,
    runs_table: String,
    counts_table: String,
    own_queue: String,
    kind: PhantomData<K>,
}

impl<K: Kind> Handler for Scripted<K> {
    type Message = Script;
    type Write = DynamoDbWrite;
    const NAMESPACE: &'static str = "scripted";
    const MODE: Mode = K::MODE;
    const ENVELOPE: Envelope = K::ENVELOPE;
    const TIMEOUT: Option<Duration> = K::TIMEOUT;
    const HOLD_GROUP: bool = K::HOLD_GROUP;

    fn key(&self, script: &Script, _: &Received) -> IdempotencyKey {
        K::key(script)
    }

    async fn handle(&self, script: Script, delivery: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        self.record_run(delivery).await?;
        let before = usize::try_from(delivery.receive_count())?.saturating_sub(1);
        let action = script.actions.get(before).or(script.actions.last());
        self.perform(action.cloned().unwrap_or(Action::Done), delivery).await
    }
}

impl<K: Kind> Scripted<K> {
    fn from_env(client: Client) -> Result<Self, SettingError> {
        Ok(Self {
            client,
            runs_table: setting("RUNS_TABLE")?,
            counts_table: setting("COUNTS_TABLE")?,
            own_queue: setting("OWN_QUEUE_URL")?,
            kind: PhantomData,
        })
    }

    /// Records this run for the test, whatever its outcome.
    async fn record_run(&self, delivery: &Delivery) -> Result<(), Failure> {
        let now = Timestamp::now().millis();
        let receives = delivery.receive_count();
        // Two processes may start copies in the same millisecond.
        let process = std::process::id();
        let id = format!("{} {receives} {now} {process}", delivery.message_id());
        let origin = delivery.origin().map(|origin| {
            let fields = [origin.id(), origin.source(), origin.subject().unwrap_or_default()];
            let attribute = origin.attribute("tenant").or(origin.attribute("account"));
            format!(
                "{} {} {}",
                fields.join(" "),
                origin.time(),
                attribute.unwrap_or_default()
            )
        });
        let put = self.client.put_item().table_name(&self.runs_table);
        put.item("id", AttributeValue::S(id))
            .item("message", AttributeValue::S(delivery.message_id().to_owned()))
            .item("started", AttributeValue::N(now.to_string()))
            .item("origin", AttributeValue::S(origin.unwrap_or_default()))
            .send()
            .await?;
        Ok(())
    }

    async fn perform(&self, action: Action, delivery: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        match action {
            Action::Done => {}
            Action::Count => return Ok(Completion::new().write(self.count(delivery)?)),
            Action::Take(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Action::WhenReleased => self.await_release().await?,
            Action::Send(scripts) => return self.send(&scripts),
            Action::Retry => return Err(Failure::retry("not today")),
            Action::RetryAfter(seconds) => return Err(Failure::retry_after(Duration::from_secs(seconds), "not yet")),
            Action::Permanent => return Err(Failure::permanent("not ever")),
            Action::Panic => {
                #[expect(clippy::panic, reason = "the message requests it")]
                {
                    panic!("at the disco")
                }
            }
            Action::Hang => std::future::pending().await,
        }
        Ok(Completion::new())
    }

    async fn await_release(&self) -> Result<(), Failure> {
        let released = AttributeValue::S("released".to_owned());
        let get = self
            .client
            .get_item()
            .table_name(&self.counts_table)
            .key("id", released);
        while get.clone().send().await?.item.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Not idempotent by itself.
    fn count(&self, delivery: &Delivery) -> Result<DynamoDbWrite, Failure> {
        let update = Update::builder()
            .table_name(&self.counts_table)
            .key("id", AttributeValue::S(delivery.idempotency_token()))
            .update_expression("ADD times :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .build()?;
        Ok(DynamoDbWrite::update(update))
    }

    fn send(&self, scripts: &[Value]) -> Result<Completion<DynamoDbWrite>, Failure> {
        scripts.iter().try_fold(Completion::new(), |completion, script| {
            Ok(completion.send(OutgoingMessage::json(&self.own_queue, script)?))
        })
    }
}
