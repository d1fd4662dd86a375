//! How AWS's services are reached.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::https::{SdkClient, https_client};

/// A request that has no answer after this long is sent again on another connection.
///
/// DynamoDB answers in some ten milliseconds; without a limit, which is the SDK's default, one hung connection would eat
/// the time of the message. The time of the batch bounds all attempts together.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;

/// The first pause between two attempts is random, up to this; the next twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// Configuration for AWS SDK clients: region and credentials from the environment, as Lambda sets them, and no other
/// place is searched; `AWS_ENDPOINT_URL` and its forms for single services are honoured.
///
/// A request without an answer is sent again after a second: what must not happen twice needs a condition.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkClient(https_client()))
        .region(EnvironmentVariableRegionProvider::new())
        .profile_files(no_profiles())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
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
