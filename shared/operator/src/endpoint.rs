//! Endpoints, region and credentials of SQS and DynamoDB.

use std::env;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use clap::Args;

/// A request without an answer is sent again after this time. It is longer than the longest long poll of this program.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request is sent that is throttled or not answered. During an outage of moments, a command goes on; one that can't
/// connect at all fails after some two seconds.
const ATTEMPTS: u32 = 6;

/// The upper bound of the random delay before the first retry. It doubles with each retry.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The region of an emulator if none is configured.
const REGION: &str = "us-east-1";

/// The stack that a command uses.
#[derive(Args)]
pub(crate) struct EndpointArgs {
    /// URL of the stack or of an emulator [default: $AWS_ENDPOINT_URL, or else AWS]
    #[arg(long, value_name = "URL", value_parser = cli::http_url)]
    endpoint_url: Option<String>,
}

/// The client of a service, and its endpoint.
pub(crate) struct Service<C> {
    pub(crate) client: C,
    /// For messages: a URL, or AWS and its region.
    pub(crate) endpoint: String,
}

impl EndpointArgs {
    /// # Errors
    ///
    /// One line: what is wrong in the environment.
    pub(crate) async fn sqs(&self) -> Result<Service<aws_sdk_sqs::Client>, String> {
        let url = self.url_of("SQS")?;
        let config = config(url.as_deref()).await?;
        let mut service_config = aws_sdk_sqs::config::Builder::from(&config);
        // On the configuration of the service: the environment takes precedence over the shared one.
        if let Some(url) = &url {
            service_config = service_config.endpoint_url(url);
        }
        Ok(Service {
            client: aws_sdk_sqs::Client::from_conf(service_config.build()),
            endpoint: endpoint_text(url, &config),
        })
    }

    /// # Errors
    ///
    /// One line: what is wrong in the environment.
    pub(crate) async fn dynamodb(&self) -> Result<Service<aws_sdk_dynamodb::Client>, String> {
        let url = self.url_of("DYNAMODB")?;
        let config = config(url.as_deref()).await?;
        let mut service_config = aws_sdk_dynamodb::config::Builder::from(&config);
        if let Some(url) = &url {
            service_config = service_config.endpoint_url(url);
        }
        Ok(Service {
            client: aws_sdk_dynamodb::Client::from_conf(service_config.build()),
            endpoint: endpoint_text(url, &config),
        })
    }

    /// The endpoint URL of the service, found as AWS's own tools find it. `None`: AWS's default.
    fn url_of(&self, service: &str) -> Result<Option<String>, String> {
        cli::endpoint_url(service, self.endpoint_url.as_deref())
    }
}

/// The configuration for a service at this URL, or on AWS.
async fn config(url: Option<&str>) -> Result<SdkConfig, String> {
    let config = match url {
        Some(url) if is_emulator(url) => emulator().await,
        _ => {
            aws::load_roots().map_err(|error| error.to_string())?;
            aws::workstation_sdk_config().await
        }
    };
    if config.region().is_none() {
        return Err(
            "no region: set AWS_REGION, or set AWS_PROFILE to a profile with a region; for the local stack, pass \
             --endpoint-url"
                .to_owned(),
        );
    }
    let timeout = TimeoutConfig::builder().operation_attempt_timeout(REQUEST_TIMEOUT);
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    Ok(config
        .into_builder()
        .timeout_config(timeout.build())
        .retry_config(retries.with_initial_backoff(FIRST_BACKOFF))
        .build())
}

fn endpoint_text(url: Option<String>, config: &SdkConfig) -> String {
    url.or_else(|| config.endpoint_url().map(str::to_owned))
        .unwrap_or_else(|| format!("AWS in {}", config.region().map_or("no region", Region::as_ref)))
}

/// AWS's endpoints use TLS, private ones too. An emulator on this machine does not, and accepts any credentials.
fn is_emulator(url: &str) -> bool {
    url.starts_with("http://")
}

/// Region and credentials of the environment, or placeholders: a search for others takes seconds, and real credentials must
/// not be sent to an emulator.
async fn emulator() -> SdkConfig {
    let config = aws::sdk_config(REQUEST_TIMEOUT).await;
    let region = config.region().cloned().unwrap_or(Region::from_static(REGION));
    let config = config.into_builder().region(region);
    match env::var_os("AWS_ACCESS_KEY_ID") {
        Some(_) => config.build(),
        None => {
            let placeholder = Credentials::new("local", "local", None, None, "an emulator");
            config
                .credentials_provider(SharedCredentialsProvider::new(placeholder))
                .build()
        }
    }
}
