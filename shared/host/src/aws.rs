//! How AWS's services are reached.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::SettingError;
use crate::https::{SdkClient, https_client};
use crate::setting::seconds;

/// The setting that says how long a request may go without an answer before it is sent again on another connection, in
/// seconds.
const REQUEST_TIMEOUT: &str = "REQUEST_TIMEOUT_SECONDS";

/// DynamoDB answers in some ten milliseconds; without a limit, which is the SDK's default, one hung connection would eat
/// the time of the message. The time of the batch bounds all attempts together.
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// In seconds: no invocation lasts longer.
const LONGEST_REQUEST_TIMEOUT: u64 = 900;

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;

/// The first pause between two attempts is random, up to this; the next twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// Configuration for AWS SDK clients: region and credentials from the environment, as Lambda sets them, and no other
/// place is searched; `AWS_ENDPOINT_URL` and its forms for single services are honoured.
///
/// A request that has no answer after `REQUEST_TIMEOUT_SECONDS`, which is 1 unless it is set, is sent again; three times at
/// most is it sent: what must not happen twice needs a condition. Whatever the setting, a connection that does not stand after a
/// second counts as such an attempt.
///
/// # Errors
///
/// [`SettingError`] if `REQUEST_TIMEOUT_SECONDS` is no whole number from 1 to 900.
pub async fn sdk_config() -> Result<SdkConfig, SettingError> {
    Ok(sdk_config_with(request_timeout(seconds(REQUEST_TIMEOUT)?)?).await)
}

/// The same for who knows how long a request may go without an answer: no setting of ours is read.
pub async fn sdk_config_with(request_timeout: Duration) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkClient(https_client()))
        .region(EnvironmentVariableRegionProvider::new())
        .profile_files(no_profiles())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(request_timeout)
                .build(),
        )
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF),
        )
        // It guards streams; ours are short answers with a timeout around them.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

fn request_timeout(set: Option<Duration>) -> Result<Duration, SettingError> {
    let timeout = set.unwrap_or(DEFAULT_REQUEST_TIMEOUT);
    match (1..=LONGEST_REQUEST_TIMEOUT).contains(&timeout.as_secs()) {
        true => Ok(timeout),
        false => Err(SettingError::wrong(
            REQUEST_TIMEOUT,
            format!("is not between 1 and {LONGEST_REQUEST_TIMEOUT} seconds"),
        )),
    }
}

/// Configuration for the AWS SDK clients of a tool at somebody's desk: region, credentials and endpoint are searched for where
/// AWS's own tools search, in the environment, the profiles, and so on, with the functions' HTTPS client.
///
/// Which kinds of credentials are found there depends on the features of `aws-config` that the tool asks for. Timeouts and
/// retries are the SDK's.
pub async fn desk_sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkClient(https_client()))
        .load()
        .await
}

/// Instead of the files in the home directory, which would be read at every start, and on a laptop be obeyed.
fn no_profiles() -> EnvConfigFiles {
    EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, "")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_for_a_second_or_as_long_as_is_set() {
        for (set, expected) in [(None, 1), (Some(1), 1), (Some(7), 7), (Some(900), 900)] {
            let timeout = request_timeout(set.map(Duration::from_secs));
            assert_eq!(timeout, Ok(Duration::from_secs(expected)));
        }
    }

    #[test]
    fn no_time_at_all_and_more_than_an_invocation_has_is_refused() {
        for set in [0, 901, u64::MAX] {
            let error = request_timeout(Some(Duration::from_secs(set))).unwrap_err();
            assert_eq!(
                error.to_string(),
                "environment variable REQUEST_TIMEOUT_SECONDS is not between 1 and 900 seconds"
            );
        }
    }
}
