//! Settings from environment variables.

use std::env;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Duration;

use consumer::RetryDelays;

use crate::aws::{dynamodb_region, sqs_region};
use crate::need::{Need, note};
use crate::shape;

/// A setting is missing or invalid. The function does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct SettingError {
    variable: &'static str,
    problem: String,
}

impl SettingError {
    /// The variable is set but invalid. `problem` continues its name, for example "is not an http or https URL".
    pub fn wrong(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

/// The value of an optional environment variable. An empty one counts as not set.
///
/// # Errors
///
/// [`SettingError`] if it is not Unicode, or begins or ends with white space.
pub fn optional_setting(variable: &'static str) -> Result<Option<String>, SettingError> {
    match env::var(variable) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => checked(variable, value, shape::trimmed).map(Some),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(SettingError::wrong(variable, "is not Unicode")),
    }
}

/// The value of a required environment variable.
///
/// # Errors
///
/// [`SettingError`] if it is not set, is empty, is not Unicode, or begins or ends with white space.
pub fn setting(variable: &'static str) -> Result<String, SettingError> {
    let missing = || match env::var_os(variable) {
        None => SettingError::wrong(variable, "is not set"),
        Some(_) => SettingError::wrong(variable, "is empty"),
    };
    optional_setting(variable)?.ok_or_else(missing)
}

/// The value of a required environment variable: the URL of a queue. In a worker that receives from RabbitMQ, `amqp:NAME`, the
/// queue `NAME` of the same broker. Also what a host [accepts](accept_queues).
///
/// # Errors
///
/// [`SettingError`] if it is not set, or is something else, such as the queue's ARN or name, or the URL of a queue in another
/// region than `AWS_REGION`.
pub fn queue_url(variable: &'static str) -> Result<String, SettingError> {
    let url = checked_queue_url(variable, setting(variable)?)?;
    note(|| Need::Queue {
        variable,
        url: url.clone(),
    });
    Ok(url)
}

/// The variable with the queue that a worker polls. A Lambda function has none.
const POLLED_QUEUE: &str = "QUEUE_URL";

/// Whether the polled queue is one of RabbitMQ: the messages that are sent for its messages are, too.
pub(crate) fn is_on_rabbitmq(polled: &str) -> bool {
    polled.starts_with("amqp:") || polled.starts_with("amqps:")
}

/// What is wrong with the URL of a queue of another service than SQS and RabbitMQ; `None`: it is not of such a service.
type CheckQueue = fn(&str) -> Option<Result<(), String>>;

/// Not set in a Lambda function: its binary has no rules for URLs that it can't send to.
static OTHER_QUEUES: OnceLock<CheckQueue> = OnceLock::new();

/// Lets [`queue_url`] and [`dead_letter_queue`] accept the URLs that this check knows. A host that sends to other services than SQS
/// calls it before settings are read. The first check is used.
pub fn accept_queues(check: CheckQueue) {
    // The first one was set by the same host.
    let _ = OTHER_QUEUES.set(check);
}

fn checked_queue_url(variable: &'static str, url: String) -> Result<String, SettingError> {
    if let Some(checked_by_service) = OTHER_QUEUES.get().and_then(|check| check(&url)) {
        return checked(variable, url, |_| checked_by_service);
    }
    let on_rabbitmq = optional_setting(POLLED_QUEUE)?.is_some_and(|polled| is_on_rabbitmq(&polled));
    let region = sqs_region()?;
    checked(variable, url, |url| {
        shape::destination(url, on_rabbitmq, region.as_deref())
    })
}

/// The value of `QUEUE_URL`: the queue that a worker polls.
///
/// # Errors
///
/// [`SettingError`] if it is not set, or is neither the URL of an SQS queue or a Storage Queue nor an `amqp` or `amqps` URL. One
/// with a password or a token is not quoted.
pub fn polled_queue() -> Result<PolledQueue, SettingError> {
    queue(POLLED_QUEUE)
}

/// The value of a required environment variable: the queue that a program polls or sends to, with its broker.
///
/// # Errors
///
/// As [`polled_queue`].
pub fn queue(variable: &'static str) -> Result<PolledQueue, SettingError> {
    let url = setting(variable)?;
    match is_on_rabbitmq(&url) {
        true => Ok(PolledQueue::RabbitMq(url)),
        false if shape::is_azure_queue(&url) => Ok(PolledQueue::AzureQueue(url)),
        false => checked_queue_url(variable, url).map(PolledQueue::Sqs),
    }
}

/// A queue, with its broker.
#[derive(Clone, PartialEq, Eq)]
pub enum PolledQueue {
    /// The URL of a queue of SQS.
    Sqs(String),
    /// An `amqp` or `amqps` URL, which may contain a password.
    RabbitMq(String),
    /// The URL of a Storage Queue, which may contain a SAS token.
    AzureQueue(String),
}

/// Without URLs that may contain a secret.
impl fmt::Debug for PolledQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqs(url) => f.debug_tuple("Sqs").field(url).finish(),
            Self::RabbitMq(_) => f.debug_tuple("RabbitMq").finish_non_exhaustive(),
            Self::AzureQueue(_) => f.debug_tuple("AzureQueue").finish_non_exhaustive(),
        }
    }
}

/// The value of a required environment variable: the name of a DynamoDB table, or its ARN.
///
/// # Errors
///
/// [`SettingError`] if it is not set, can't be a table's name, or is the ARN of a table in another region than `AWS_REGION`.
pub fn table(variable: &'static str) -> Result<String, SettingError> {
    let region = dynamodb_region()?;
    let name = checked(variable, setting(variable)?, |value| {
        shape::table(value, region.as_deref())
    })?;
    note(|| Need::Table {
        variable,
        name: name.clone(),
    });
    Ok(name)
}

/// The value of a required environment variable: an http or https URL. Errors do not quote it: it may contain secrets.
///
/// # Errors
///
/// [`SettingError`] if it is not set, or is not such a URL.
pub fn http_url(variable: &'static str) -> Result<String, SettingError> {
    checked(variable, setting(variable)?, |value| shape::http_url(value).map(drop))
}

pub(crate) fn checked(
    variable: &'static str,
    value: String,
    check: impl FnOnce(&str) -> Result<(), String>,
) -> Result<String, SettingError> {
    match check(&value) {
        Ok(()) => Ok(value),
        Err(problem) => Err(SettingError::wrong(variable, problem)),
    }
}

/// The value of an optional environment variable: a whole number from `least` to `most`.
///
/// # Errors
///
/// [`SettingError`] if it is something else.
pub fn number(variable: &'static str, least: u32, most: u32) -> Result<Option<u32>, SettingError> {
    let Some(value) = optional_setting(variable)? else {
        return Ok(None);
    };
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(SettingError::wrong(
            variable,
            format!("is not a whole number from {least} to {most}, but {value:?}"),
        )),
    }
}

/// The value of an optional environment variable, as a time in whole seconds.
///
/// # Errors
///
/// [`SettingError`] if it is not a whole number.
fn seconds(variable: &'static str) -> Result<Option<Duration>, SettingError> {
    let seconds = optional_setting(variable)?.map(|value| value.parse().map(Duration::from_secs));
    seconds
        .transpose()
        .map_err(|_| SettingError::wrong(variable, "is not a whole number of seconds"))
}

/// The values of `RETRY_DELAY_SECONDS` and `RETRY_DELAY_LONGEST_SECONDS`, which bound the delay of a message that is retried.
///
/// # Errors
///
/// [`SettingError`] if one of them is not a whole number of seconds, or longer than 12 hours, for which SQS can hide a message
/// at most.
pub fn retry_delays() -> Result<RetryDelays, SettingError> {
    let default = RetryDelays::default();
    Ok(RetryDelays {
        first: retry_delay("RETRY_DELAY_SECONDS")?.or(default.first),
        longest: retry_delay("RETRY_DELAY_LONGEST_SECONDS")?.unwrap_or(default.longest),
    })
}

/// The longest [visibility timeout](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)
/// of SQS.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(12 * 60 * 60);

fn retry_delay(variable: &'static str) -> Result<Option<Duration>, SettingError> {
    match seconds(variable)? {
        Some(delay) if delay > LONGEST_RETRY_DELAY => Err(SettingError::wrong(
            variable,
            format!("is more than {} seconds", LONGEST_RETRY_DELAY.as_secs()),
        )),
        delay => Ok(delay),
    }
}

/// The value of `DEAD_LETTER_QUEUE_URL`: the queue of messages that can never be processed; `None` if it is not set.
///
/// # Errors
///
/// [`SettingError`] if it is not a queue's URL.
pub fn dead_letter_queue() -> Result<Option<String>, SettingError> {
    const VARIABLE: &str = "DEAD_LETTER_QUEUE_URL";
    let url = optional_setting(VARIABLE)?;
    url.map(|url| checked_queue_url(VARIABLE, url)).transpose()
}

/// The largest `maxReceiveCount` of a
/// [redrive policy](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).
const LARGEST_RECEIVE_COUNT: u32 = 1000;

/// The value of `MAX_RECEIVE_COUNT`: how often a message is received at most, by the redrive policy of its queue. `None` if it is
/// not set.
///
/// # Errors
///
/// [`SettingError`] if it is not a whole number from 1 to 1000.
pub fn max_receive_count() -> Result<Option<NonZeroU32>, SettingError> {
    const VARIABLE: &str = "MAX_RECEIVE_COUNT";
    let receives = optional_setting(VARIABLE)?.map(|value| receive_count(VARIABLE, &value));
    receives.transpose()
}

fn receive_count(variable: &'static str, value: &str) -> Result<NonZeroU32, SettingError> {
    match value.parse::<NonZeroU32>() {
        Ok(receives) if receives.get() <= LARGEST_RECEIVE_COUNT => Ok(receives),
        _ => Err(SettingError::wrong(
            variable,
            format!(
                "is not a whole number from 1 to {LARGEST_RECEIVE_COUNT}, but {value:?}: set it to the maxReceiveCount of the \
                 queue's redrive policy"
            ),
        )),
    }
}

/// The value of `RECORD_RETENTION_DAYS`: how long a record is kept, in days. At least 15: a message can stay 14 days in its
/// queue, and its work would be repeated if the record was gone by then. `None` if it is not set.
///
/// # Errors
///
/// [`SettingError`] if it is not a whole number from 15 to 3650.
pub fn record_retention() -> Result<Option<Duration>, SettingError> {
    const VARIABLE: &str = "RECORD_RETENTION_DAYS";
    let days = optional_setting(VARIABLE)?.map(|value| retention(VARIABLE, &value));
    days.transpose()
}

fn retention(variable: &'static str, value: &str) -> Result<Duration, SettingError> {
    match value.parse::<u64>() {
        Ok(days @ 15..=3650) => Ok(Duration::from_secs(days * 24 * 60 * 60)),
        _ => Err(SettingError::wrong(
            variable,
            "is not a whole number of days from 15 to 3650",
        )),
    }
}

/// The longest request timeout, in seconds: no Lambda invocation lasts longer.
const LONGEST_REQUEST_TIMEOUT: u64 = 900;

/// The value of `REQUEST_TIMEOUT_SECONDS`: a request to a store or queue that has no reply after this time is sent again.
///
/// The default is one second. DynamoDB replies within some ten milliseconds, and one connection that hangs must not use up
/// the time of a message.
///
/// # Errors
///
/// [`SettingError`] if it is not a whole number from 1 to 900.
pub fn request_timeout() -> Result<Duration, SettingError> {
    const VARIABLE: &str = "REQUEST_TIMEOUT_SECONDS";
    checked_request_timeout(VARIABLE, seconds(VARIABLE)?)
}

fn checked_request_timeout(variable: &'static str, set: Option<Duration>) -> Result<Duration, SettingError> {
    let timeout = set.unwrap_or(Duration::from_secs(1));
    match (1..=LONGEST_REQUEST_TIMEOUT).contains(&timeout.as_secs()) {
        true => Ok(timeout),
        false => Err(SettingError::wrong(
            variable,
            format!("is not between 1 and {LONGEST_REQUEST_TIMEOUT} seconds"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_timeout_is_one_second_unless_it_is_set() {
        for (set, expected) in [(None, 1), (Some(1), 1), (Some(7), 7), (Some(900), 900)] {
            let timeout = checked_request_timeout("T", set.map(Duration::from_secs));
            assert_eq!(timeout, Ok(Duration::from_secs(expected)));
        }
    }

    #[test]
    fn a_host_accepts_queues_of_other_services() {
        let checked = |url: &str| checked_queue_url("Q", url.to_owned()).map_err(|error| error.to_string());
        assert!(checked("other:good").is_err());
        accept_queues(|url| match url.strip_prefix("other:")? {
            "good" => Some(Ok(())),
            _ => Some(Err("is no queue of the other service".to_owned())),
        });
        assert_eq!(checked("other:good").as_deref(), Ok("other:good"));
        let expected = "environment variable Q is no queue of the other service".to_owned();
        assert_eq!(checked("other:bad"), Err(expected));
        // What it does not know.
        let sqs = "http://127.0.0.1:4566/000000000000/orders";
        assert_eq!(checked(sqs).as_deref(), Ok(sqs));
        assert!(checked("orders").unwrap_err().contains("queue's name"));
    }

    #[test]
    fn a_retention_is_a_whole_number_of_days() {
        assert_eq!(retention("R", "15"), Ok(Duration::from_secs(15 * 86_400)));
        assert_eq!(retention("R", "3650"), Ok(Duration::from_secs(3650 * 86_400)));
        for wrong in ["0", "14", "3651", "-1", "1.5", "a week", " 1"] {
            assert_eq!(
                retention("R", wrong).unwrap_err().to_string(),
                "environment variable R is not a whole number of days from 15 to 3650"
            );
        }
    }

    #[test]
    fn a_receive_count_is_one_that_a_redrive_policy_may_have() {
        for valid in [1, 14, 1000] {
            let count = receive_count("M", &valid.to_string());
            assert_eq!(count, Ok(NonZeroU32::new(valid).unwrap()));
        }
        for wrong in ["0", "1001", "-1", "1.5", "fourteen", " 1", "4294967296"] {
            assert_eq!(
                receive_count("M", wrong).unwrap_err().to_string(),
                format!(
                    "environment variable M is not a whole number from 1 to 1000, but {wrong:?}: set it to the \
                     maxReceiveCount of the queue's redrive policy"
                )
            );
        }
    }

    #[test]
    fn a_request_timeout_of_zero_or_above_900_is_refused() {
        for set in [0, 901, u64::MAX] {
            let error = checked_request_timeout("T", Some(Duration::from_secs(set))).unwrap_err();
            assert_eq!(
                error.to_string(),
                "environment variable T is not between 1 and 900 seconds"
            );
        }
    }
}
