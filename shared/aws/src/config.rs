//! SDK configuration, for services and for tools on a workstation.

use std::env;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::ProvideRegion;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

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
    let is_set = |variable: &str| env::var_os(variable).is_some_and(|value| !value.is_empty());
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
    let credentials = match uses_container_credentials() {
        false => SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        true => {
            let provider = ProviderConfig::without_region().with_http_client(client.clone());
            SharedCredentialsProvider::new(EcsCredentialsProvider::builder().configure(&provider).build())
        }
    };
    // Without aws-config's loader, which would add its other sources to the binary: profiles, STS, instance metadata.
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(client)
        .credentials_provider(credentials)
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .service_config(Variables)
        .timeout_config(timeouts(request_timeout))
        .retry_config(retries())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    config.set_endpoint_url(not_empty(ENDPOINT_URL));
    config.set_use_fips(is_true("AWS_USE_FIPS_ENDPOINT"));
    config.set_use_dual_stack(is_true("AWS_USE_DUALSTACK_ENDPOINT"));
    config.set_account_id_endpoint_mode(not_empty("AWS_ACCOUNT_ID_ENDPOINT_MODE").and_then(|mode| mode.parse().ok()));
    config.build()
}

/// Names the endpoint of all services; followed by `_` and a service, that of this service.
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Endpoints of services, from the environment.
#[derive(Debug)]
struct Variables;

impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        not_empty(&format!("{}_{service}", key.env())).or_else(|| not_empty(key.env()))
    }
}

/// An empty variable counts as not set.
fn not_empty(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// `None`: the variable is not set, or is no truth value.
fn is_true(variable: &str) -> Option<bool> {
    env::var(variable).ok()?.to_ascii_lowercase().parse().ok()
}

/// The same for a service that does not run on Lambda: region and credentials come from the SDK's default chain, such as
/// environment variables, profiles, and the roles of ECS, EKS and EC2
/// ([default provider chain](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html#credentialProviderChain)).
///
/// The features of `aws-config` that the service enables decide which credentials are supported.
pub async fn worker_sdk_config(request_timeout: Duration) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkClient(https_client()))
        .timeout_config(timeouts(request_timeout))
        .retry_config(retries())
        // It protects long streams. The responses used here are short and have a timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

fn timeouts(request_timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(request_timeout)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
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
