//! SDK configuration, for services and for tools on a workstation.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::https::{SdkClient, https_client};

/// The first attempt of a request and two retries.
const ATTEMPTS: u32 = 3;

/// The upper bound of the random delay before the first retry. It doubles with each retry.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// Configuration for AWS SDK clients of a service: region and credentials come from environment variables only.
///
/// `AWS_ENDPOINT_URL` and its service-specific forms are supported. A request without a reply after `request_timeout` is
/// sent again, three attempts in all: a request that must not happen twice needs a condition. A connection attempt times out
/// after one second.
pub async fn sdk_config(request_timeout: Duration) -> SdkConfig {
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
        // It protects long streams. The responses used here are short and have a timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

/// Configuration for AWS SDK clients of a tool on a workstation: region, credentials and endpoint come from the sources of
/// the AWS CLI, such as environment variables and profiles.
///
/// The features of `aws-config` that the tool enables decide which credentials are supported. Timeouts and retries have the
/// SDK's defaults.
pub async fn workstation_sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkClient(https_client()))
        .load()
        .await
}

/// Empty profile files instead of those in the home directory: reading them takes time at each start, and on a workstation
/// they would change the result.
fn no_profiles() -> EnvConfigFiles {
    EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, "")
        .build()
}
