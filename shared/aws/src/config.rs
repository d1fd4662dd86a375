//! SDK configuration: for services that run unattended, and for tools at a workstation.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::https::{SdkClient, https_client};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;

/// The first pause between two attempts is random, up to this; the next twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// Configuration for AWS SDK clients of a service: region and credentials from the environment, and from nowhere else.
///
/// `AWS_ENDPOINT_URL` and its service-specific forms are honoured. A request without an answer after `request_timeout` is
/// sent again, three times at most; what must not happen twice needs a condition. A connection attempt ends after one second.
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
        // It protects streams. Our answers are short and have a timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

/// Configuration for AWS SDK clients of a tool at a workstation: region, credentials and endpoint from where the AWS CLI
/// finds them (environment, profiles, and so on).
///
/// Which kinds of credentials are supported depends on the `aws-config` features that the tool enables. Timeouts and retries
/// are the SDK's.
pub async fn workstation_sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkClient(https_client()))
        .load()
        .await
}

/// Replaces the profile files in the home directory: they would be read at each start, and on a laptop change the result.
fn no_profiles() -> EnvConfigFiles {
    EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, "")
        .build()
}
