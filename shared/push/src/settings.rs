//! The settings of a push host, from environment variables.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use host::{SettingError, http_url, number, optional_setting, setting};
use service::{DEFAULT_CONCURRENCY, concurrency, flag};

use crate::answer::Platform;
use crate::push::Bounds;

const PLATFORM: &str = "PUSH_PLATFORM";
pub(crate) const QUEUE: &str = "QUEUE_URL";
pub(crate) const ADDRESS: &str = "LISTEN_ADDRESS";
pub(crate) const FUNCTION: &str = "FUNCTION_NAME";
const AUDIENCE: &str = "OIDC_AUDIENCE";
const ACCOUNT: &str = "OIDC_SERVICE_ACCOUNT";
const ISSUER: &str = "OIDC_ISSUER";
const KEYS: &str = "OIDC_KEYS_URL";
const BY_PLATFORM: &str = "AUTHENTICATED_BY_PLATFORM";

/// Cloud Run ends a process 10 seconds after SIGTERM
/// ([container contract](https://cloud.google.com/run/docs/container-contract#instance-shutdown)). A cancelled handler's
/// message takes up to two seconds for the ledger, and as many for its copy.
const DEFAULT_DRAIN: Duration = Duration::from_secs(3);

/// The default of Cloud Run.
const DEFAULT_PORT: u16 = 8080;

/// What a push host begins with.
pub(crate) struct Settings {
    pub(crate) platform: Platform,
    pub(crate) address: SocketAddr,
    pub(crate) caller: Caller,
    pub(crate) bounds: Bounds,
    /// The only path that is answered.
    pub(crate) path: Option<String>,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) drain: Duration,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) logs_messages: bool,
}

/// How callers are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The platform lets nobody else in.
    OfPlatform,
    /// By a token for this audience, of this service account.
    Account {
        audience: String,
        account: String,
        /// Instead of Google: who issues tokens, and where its keys are.
        issuer: Option<(String, String)>,
    },
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, SettingError> {
        let platform = platform()?;
        let defaults = Defaults::of(platform);
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let deadline = number("DEADLINE_SECONDS", defaults.least_deadline, 86_400)?.unwrap_or(defaults.deadline);
        let body = number("BODY_LIMIT_BYTES", 1024, 64 * 1024 * 1024)?.unwrap_or(defaults.body);
        Ok(Self {
            platform,
            address: listen_address()?,
            caller: caller(platform)?,
            bounds: Bounds {
                deadline: seconds(deadline),
                body: usize::try_from(body).unwrap_or(usize::MAX),
            },
            path: path(platform)?,
            concurrency: concurrency(defaults.concurrency)?,
            drain: number("DRAIN_SECONDS", 0, 3600)?.map_or(DEFAULT_DRAIN, seconds),
            metrics: optional_setting("METRICS_ADDRESS")?
                .map(|address| socket_address("METRICS_ADDRESS", &address))
                .transpose()?,
            logs_messages: flag("LOG_MESSAGES")?,
        })
    }
}

fn platform() -> Result<Platform, SettingError> {
    match setting(PLATFORM)?.as_str() {
        "pubsub" => Ok(Platform::PubSub),
        "cloud-tasks" => Ok(Platform::CloudTasks),
        "azure-functions" => Ok(Platform::AzureFunctions),
        other => Err(SettingError::wrong(
            PLATFORM,
            format!("is not pubsub, cloud-tasks or azure-functions, but {other:?}"),
        )),
    }
}

/// What a platform's own defaults require.
struct Defaults {
    deadline: u32,
    least_deadline: u32,
    body: u32,
    concurrency: NonZeroUsize,
}

impl Defaults {
    fn of(platform: Platform) -> Self {
        match platform {
            // https://cloud.google.com/pubsub/docs/subscription-properties#ack_deadline,
            // https://cloud.google.com/pubsub/quotas#resource_limits: 10 MB of data, which base64 makes a third larger.
            Platform::PubSub => Self {
                deadline: 10,
                least_deadline: 10,
                concurrency: DEFAULT_CONCURRENCY,
                body: 16 * 1024 * 1024,
            },
            // https://cloud.google.com/tasks/docs/creating-http-target-tasks, https://cloud.google.com/tasks/docs/quotas
            Platform::CloudTasks => Self {
                deadline: 600,
                least_deadline: 15,
                concurrency: DEFAULT_CONCURRENCY,
                body: 2 * 1024 * 1024,
            },
            // https://learn.microsoft.com/en-us/azure/azure-functions/functions-host-json#functiontimeout: the shortest
            // default. A message has 64 KiB, and each of its characters up to six bytes as JSON.
            Platform::AzureFunctions => Self {
                deadline: 300,
                least_deadline: 15,
                // batchSize plus newBatchThreshold, by default.
                concurrency: NonZeroUsize::new(24).unwrap_or(NonZeroUsize::MIN),
                body: 1024 * 1024,
            },
        }
    }
}

/// Where it listens.
pub(crate) fn listen_address() -> Result<SocketAddr, SettingError> {
    const HOST_PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
    const PORT: &str = "PORT";
    let port = |name| Ok(number(name, 0, u16::MAX.into())?.and_then(|port| u16::try_from(port).ok()));
    let stated = optional_setting(ADDRESS)?;
    match platform()? {
        Platform::PubSub | Platform::CloudTasks => match stated {
            Some(address) => with_port(socket_address(ADDRESS, &address)?, PORT, port(PORT)?),
            None => Ok((Ipv4Addr::UNSPECIFIED, port(PORT)?.unwrap_or(DEFAULT_PORT)).into()),
        },
        Platform::AzureFunctions => match (stated, port(HOST_PORT)?) {
            (Some(address), port) => with_port(loopback(&address)?, HOST_PORT, port),
            (None, Some(port)) => Ok((Ipv4Addr::LOCALHOST, port).into()),
            (None, None) => Err(SettingError::wrong(
                HOST_PORT,
                format!("is not set: the Functions host sets it; to run without one, set {ADDRESS}"),
            )),
        },
    }
}

/// The address, unless the platform calls another port.
fn with_port(address: SocketAddr, variable: &str, port: Option<u16>) -> Result<SocketAddr, SettingError> {
    match port.is_none_or(|port| port == address.port()) {
        true => Ok(address),
        false => Err(SettingError::wrong(
            ADDRESS,
            format!("has another port than {variable}, where the platform calls: remove it"),
        )),
    }
}

/// The path of the function that is called.
fn path(platform: Platform) -> Result<Option<String>, SettingError> {
    let name = optional_setting(FUNCTION)?.filter(|_| platform == Platform::AzureFunctions);
    Ok(name.map(|name| format!("/{name}")))
}

/// The Functions host calls without any proof of who it is.
fn loopback(address: &str) -> Result<SocketAddr, SettingError> {
    let address = socket_address(ADDRESS, address)?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err(SettingError::wrong(
            ADDRESS,
            format!(
                "is {address}, which other machines reach, and calls of the Functions host are not authenticated: use 127.0.0.1"
            ),
        )),
    }
}

fn socket_address(name: &'static str, address: &str) -> Result<SocketAddr, SettingError> {
    address.parse().map_err(|_| {
        let problem = format!("is not an IP address and a port, such as 127.0.0.1:8080, but {address:?}");
        SettingError::wrong(name, problem)
    })
}

fn caller(platform: Platform) -> Result<Caller, SettingError> {
    let by_platform = flag(BY_PLATFORM)?;
    let keys_only = optional_setting(KEYS)?.is_some() && optional_setting(ISSUER)?.is_none();
    if keys_only {
        return Err(SettingError::wrong(
            KEYS,
            format!("is set without {ISSUER}, whose keys they are"),
        ));
    }
    let known = known(
        platform,
        by_platform,
        optional_setting(AUDIENCE)?,
        optional_setting(ACCOUNT)?,
    )?;
    Ok(match known {
        Caller::Account { audience, account, .. } => Caller::Account {
            audience,
            account,
            issuer: issuer()?,
        },
        Caller::OfPlatform => match optional_setting(ISSUER)? {
            Some(_) => {
                return Err(SettingError::wrong(
                    ISSUER,
                    "is set, and no token is checked: remove it",
                ));
            }
            None => Caller::OfPlatform,
        },
    })
}

/// Who issues tokens, if it is not Google: an emulator.
fn issuer() -> Result<Option<(String, String)>, SettingError> {
    match optional_setting(ISSUER)? {
        Some(issuer) => Ok(Some((issuer, http_url(KEYS)?))),
        None => Ok(None),
    }
}

fn known(
    platform: Platform,
    by_platform: bool,
    audience: Option<String>,
    account: Option<String>,
) -> Result<Caller, SettingError> {
    if platform == Platform::AzureFunctions {
        return match by_platform || audience.is_some() || account.is_some() {
            false => Ok(Caller::OfPlatform),
            true => Err(SettingError::wrong(
                PLATFORM,
                format!(
                    "is azure-functions, whose calls have no token: remove {BY_PLATFORM}, {AUDIENCE} and {ACCOUNT}"
                ),
            )),
        };
    }
    match (by_platform, audience, account) {
        (false, Some(audience), Some(account)) => Ok(Caller::Account {
            audience,
            account,
            issuer: None,
        }),
        (true, None, None) => Ok(Caller::OfPlatform),
        (true, ..) => Err(SettingError::wrong(
            BY_PLATFORM,
            format!(
                "is true, and {AUDIENCE} or {ACCOUNT} is set: Cloud Run removes the signature of a token that it has checked"
            ),
        )),
        (false, None, _) => Err(SettingError::wrong(
            AUDIENCE,
            format!(
                "is not set: state who may call, by it and {ACCOUNT}, or set {BY_PLATFORM} if only IAM lets callers in"
            ),
        )),
        (false, Some(_), None) => Err(SettingError::wrong(
            ACCOUNT,
            "is not set: any account of Google could call with a token for this audience",
        )),
    }
}

/// What `--help` prints after the usage.
pub(crate) const HELP: &str = "\
Settings are environment variables:
  PUSH_PLATFORM              who calls: pubsub, cloud-tasks or azure-functions
  PORT                       pubsub, cloud-tasks: the port, at all addresses; Cloud Run sets it [default: 8080]
  FUNCTIONS_CUSTOMHANDLER_PORT
                             azure-functions: the port, at 127.0.0.1; the Functions host sets it
  LISTEN_ADDRESS             instead: an IP address and a port; azure-functions: of the loopback interface
  FUNCTION_NAME              azure-functions: the only function that is answered [default: any]
  QUEUE_URL                  cloud-tasks, azure-functions: the queue whose messages are pushed
  AZURE_STORAGE_CONNECTION_STRING, AZURE_CLIENT_ID
                             azure-functions, without a SAS token in QUEUE_URL: a key, or the managed identity to use
  OIDC_AUDIENCE, OIDC_SERVICE_ACCOUNT
                             pubsub, cloud-tasks: what a caller's token must state
  OIDC_ISSUER, OIDC_KEYS_URL instead of Google, for an emulator: who issues tokens, and the URL of its keys
  AUTHENTICATED_BY_PLATFORM  true: instead, only callers that IAM of Cloud Run has checked get through [default: false]
  DEADLINE_SECONDS           until the answer: the ack deadline, the dispatch deadline, or functionTimeout
                             [default: pubsub 10, cloud-tasks 600, azure-functions 300]
  BODY_LIMIT_BYTES           of a request [default: pubsub 16777216, cloud-tasks 2097152, azure-functions 1048576]
  CONCURRENCY                messages in process at a time, and connections to PostgreSQL at most
                             [default: 10; azure-functions: 24]
  DRAIN_SECONDS              for messages in process after SIGTERM [default: 3]
  IDEMPOTENCY_TABLE          the ledger: a DynamoDB table, or
  DATABASE_URL               postgres://USER:PASSWORD@HOST/DATABASE, without TLS: ?sslmode=disable
  DEAD_LETTER_QUEUE_URL      where rejected messages go [default: azure-functions: the queue's -poison; else none]
  MAX_RECEIVE_COUNT          after which a failing message is dead-lettered [default: 14; pubsub: none, because it
                             states attempts only with a dead-letter topic]
  RETRY_DELAY_SECONDS, RETRY_DELAY_LONGEST_SECONDS, RECORD_RETENTION_DAYS
                             as for Lambda functions; delays have no effect on pubsub
  METRICS_ADDRESS            of /metrics [default: not served]; /live and /ready are where messages are
  REQUEST_TIMEOUT_SECONDS    of a request to AWS [default: 1]
  LOG_LEVEL                  TRACE, DEBUG, INFO, WARN or ERROR [default: INFO]
  LOG_FILE                   where the log goes, with an absolute path; full at 16 MiB, it is renamed to NAME.1
                             [default: standard output]
  LOG_MESSAGES               true: a line for each message, with outcome and duration [default: false]
  OTEL_EXPORTER_OTLP_ENDPOINT
                             the collector that traces are exported to, as OTLP over HTTP [default: no traces]
A queue is one of SQS, Cloud Tasks or Azure Storage Queues; its URL states which. The handler has settings of its own.
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;

    #[test]
    fn the_functions_host_calls_on_loopback_only() {
        for address in ["127.0.0.1:7071", "[::1]:7071", "127.1.2.3:80"] {
            assert_eq!(loopback(address).unwrap(), address.parse().unwrap());
        }
        for address in ["0.0.0.0:7071", "[::]:7071", "10.0.0.7:7071", "[::ffff:10.0.0.7]:7071"] {
            let why = loopback(address).unwrap_err().to_string();
            assert!(why.contains("which other machines reach"), "{why}");
        }
        assert!(loopback("localhost:7071").is_err());
    }

    #[test]
    fn azure_functions_has_24_messages_in_process_by_default() {
        assert_eq!(Defaults::of(Platform::AzureFunctions).concurrency.get(), 24);
    }

    #[test]
    fn listen_address_has_the_port_that_the_platform_calls() {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(with_port(address, "PORT", Some(8080)), Ok(address));
        assert!(with_port(address, "PORT", Some(8081)).is_err());
    }

    #[test]
    fn a_caller_is_known_by_one_of_two_ways() {
        let text = |text: &str| Some(text.to_owned());
        for platform in [Platform::PubSub, Platform::CloudTasks] {
            let account = Caller::Account {
                audience: "a".to_owned(),
                account: "s".to_owned(),
                issuer: None,
            };
            assert_eq!(known(platform, false, text("a"), text("s")), Ok(account));
            assert_eq!(known(platform, true, None, None), Ok(Caller::OfPlatform));
            for (by_platform, audience, account) in [
                (false, None, None),
                (false, text("a"), None),
                (false, None, text("s")),
                (true, text("a"), text("s")),
                (true, None, text("s")),
            ] {
                assert!(known(platform, by_platform, audience, account).is_err());
            }
        }
        assert_eq!(
            known(Platform::AzureFunctions, false, None, None),
            Ok(Caller::OfPlatform)
        );
        assert!(known(Platform::AzureFunctions, true, None, None).is_err());
    }
}
