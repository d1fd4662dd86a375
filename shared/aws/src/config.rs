//! SDK configuration, for services and for tools on a workstation.

use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::https::{SdkClient, https_client};

/// The first attempt of a request and two retries.
const ATTEMPTS: u32 = 3;

/// The upper bound of the random delay before the first retry. It doubles with each retry.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The variables that name an endpoint for credentials; one of them is enough.
const CONTAINER_CREDENTIALS: [&str; 2] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Whether the environment names an endpoint for credentials instead of keys. Keys in variables have priority, as in all SDKs.
pub fn uses_container_credentials() -> bool {
    let is_set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    !is_set("AWS_ACCESS_KEY_ID") && CONTAINER_CREDENTIALS.into_iter().any(is_set)
}

/// Configuration for AWS SDK clients of a service: region and credentials come from environment variables. If these name an
/// endpoint for credentials instead
/// ([container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html)), as with SnapStart, ECS and
/// EKS Pod Identity, the SDK gets them there when it needs them, and again before they expire. IAM roles for service accounts
/// (`AWS_WEB_IDENTITY_TOKEN_FILE`) are not supported.
///
/// `AWS_ENDPOINT_URL` and its service-specific forms are supported. A request without a reply after `request_timeout` is
/// sent again, three attempts in all: a request that must not happen twice needs a condition. A connection attempt times out
/// after one second.
pub async fn sdk_config(request_timeout: Duration) -> SdkConfig {
    let client = SdkClient(https_client());
    let config = aws_config::defaults(BehaviorVersion::latest());
    let config = match uses_container_credentials() {
        false => config.credentials_provider(EnvironmentVariableCredentialsProvider::new()),
        true => {
            let provider = ProviderConfig::without_region().with_http_client(client.clone());
            config.credentials_provider(EcsCredentialsProvider::builder().configure(&provider).build())
        }
    };
    let config = config
        .http_client(client)
        .region(EnvironmentVariableRegionProvider::new())
        .profile_files(no_profiles());
    of_service(config, request_timeout).load().await
}

/// The same for a service that does not run on Lambda: region and credentials come from the SDK's default chain, such as
/// environment variables, profiles, and the roles of ECS, EKS and EC2
/// ([default provider chain](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html#credentialProviderChain)).
///
/// The features of `aws-config` that the service enables decide which credentials are supported.
pub async fn worker_sdk_config(request_timeout: Duration) -> SdkConfig {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(SdkClient(https_client()));
    of_service(config, request_timeout).load().await
}

fn of_service(config: ConfigLoader, request_timeout: Duration) -> ConfigLoader {
    config
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
