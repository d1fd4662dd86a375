//! The settings of a worker, from environment variables.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use host::{PolledQueue, SettingError, number, optional_setting, polled_queue};
use service::{DEFAULT_CONCURRENCY, concurrency, flag};

use crate::DEFAULT_DRAIN;
use crate::protection::Protection;

pub(crate) const QUEUE: &str = "QUEUE_URL";
pub(crate) const HEALTH_ADDRESS: &str = "HEALTH_ADDRESS";

/// Loopback: what an orchestrator reaches from outside is stated by it.
const DEFAULT_HEALTH_ADDRESS: &str = "127.0.0.1:8080";

/// The bounds of a worker.
pub(crate) struct Settings {
    pub(crate) queue: PolledQueue,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) drain: Duration,
    pub(crate) health: SocketAddr,
    /// Whether each message has a line in the log.
    pub(crate) logs_messages: bool,
    pub(crate) protection: Option<Protection>,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, SettingError> {
        let drain = number("DRAIN_SECONDS", 0, 43_200)?;
        Ok(Self {
            queue: polled_queue()?,
            concurrency: concurrency(DEFAULT_CONCURRENCY)?,
            rate: number("RATE_LIMIT", 1, 1_000_000)?.and_then(NonZeroU32::new),
            drain: drain.map_or(DEFAULT_DRAIN, |seconds| Duration::from_secs(seconds.into())),
            health: health_address()?,
            logs_messages: flag("LOG_MESSAGES")?,
            protection: Protection::from_env()?,
        })
    }
}

/// Where health and metrics are served.
pub(crate) fn health_address() -> Result<SocketAddr, SettingError> {
    let address = optional_setting(HEALTH_ADDRESS)?;
    let address = address.as_deref().unwrap_or(DEFAULT_HEALTH_ADDRESS);
    address.parse().map_err(|_| {
        let problem = format!("is not an IP address and a port, such as {DEFAULT_HEALTH_ADDRESS}, but {address:?}");
        SettingError::wrong(HEALTH_ADDRESS, problem)
    })
}

/// What `--help` prints after the usage.
pub(crate) const HELP: &str = "\
Settings are environment variables:
  QUEUE_URL                  the queue: the URL of an SQS queue, or amqp://USER:PASSWORD@HOST/VHOST?queue=NAME
                             of RabbitMQ (amqps:// with TLS), or https://ACCOUNT.queue.core.windows.net/NAME of Azure
                             (credentials: a SAS token in its query, AZURE_STORAGE_CONNECTION_STRING, managed identity)
  IDEMPOTENCY_TABLE          the ledger: a DynamoDB table, or
  DATABASE_URL               postgres://USER:PASSWORD@HOST/DATABASE, without TLS: ?sslmode=disable
  DEAD_LETTER_QUEUE_URL      where rejected messages go [default: the queue's own dead-letter queue]
  CONCURRENCY                messages in process at a time, and connections to PostgreSQL at most [default: 10]
  RATE_LIMIT                 messages received a second at most [default: none]
  DRAIN_SECONDS              for messages in process after SIGTERM [default: 20]
  HEALTH_ADDRESS             of /live, /ready and /metrics [default: 127.0.0.1:8080]
  MAX_RECEIVE_COUNT          after which a failing message is dead-lettered [default: that of the SQS queue's redrive
                             policy; RabbitMQ and Azure: 14]
  RETRY_DELAY_SECONDS, RETRY_DELAY_LONGEST_SECONDS, RECORD_RETENTION_DAYS
                             as for Lambda functions
  REQUEST_TIMEOUT_SECONDS    of a request to AWS [default: 1]
  LOG_LEVEL                  TRACE, DEBUG, INFO, WARN or ERROR [default: INFO]
  LOG_FILE                   where the log goes, with an absolute path; full at 16 MiB, it is renamed to NAME.1
                             [default: standard output]
  LOG_MESSAGES               true: a line for each message, with outcome and duration [default: false]
  SCALE_IN_PROTECTION        true: on Amazon ECS, the task is protected while it has messages [default: false]
  OTEL_EXPORTER_OTLP_ENDPOINT
                             the collector that traces are exported to, as OTLP over HTTP [default: no traces]
AWS credentials and region come from the SDK's default chain. The handler has settings of its own.
";
