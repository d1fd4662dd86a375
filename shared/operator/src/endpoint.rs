//! Where SQS and DynamoDB are, and who asks them.

use std::env;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use clap::Args;

/// A request that has no answer after this long is sent again. More than the longest wait for messages that is asked for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The region of an emulator when nothing names one.
const REGION: &str = "us-east-1";

/// The stack that a command works on.
#[derive(Args)]
pub(crate) struct EndpointArgs {
    /// Where the stack, or an emulator, is [default: $AWS_ENDPOINT_URL, or else AWS]
    #[arg(long, value_name = "URL", value_parser = cli::http_url)]
    endpoint_url: Option<String>,
}

/// The client of a service, and where it asks.
pub(crate) struct Service<C> {
    pub(crate) client: C,
    /// For a person to read.
    pub(crate) place: String,
}

impl EndpointArgs {
    /// # Errors
    ///
    /// In one line what is wrong in the environment.
    pub(crate) async fn sqs(&self) -> Result<Service<aws_sdk_sqs::Client>, String> {
        let url = self.of("SQS")?;
        let config = config(url.as_deref()).await?;
        let mut own = aws_sdk_sqs::config::Builder::from(&config);
        // On the service's own configuration: that of all services is outweighed by the environment.
        if let Some(url) = &url {
            own = own.endpoint_url(url);
        }
        Ok(Service {
            client: aws_sdk_sqs::Client::from_conf(own.build()),
            place: place(url, &config),
        })
    }

    /// # Errors
    ///
    /// In one line what is wrong in the environment.
    pub(crate) async fn dynamodb(&self) -> Result<Service<aws_sdk_dynamodb::Client>, String> {
        let url = self.of("DYNAMODB")?;
        let config = config(url.as_deref()).await?;
        let mut own = aws_sdk_dynamodb::config::Builder::from(&config);
        if let Some(url) = &url {
            own = own.endpoint_url(url);
        }
        Ok(Service {
            client: aws_sdk_dynamodb::Client::from_conf(own.build()),
            place: place(url, &config),
        })
    }

    /// Where the service is, found as AWS's own tools find it; `None`: where they say.
    fn of(&self, service: &str) -> Result<Option<String>, String> {
        cli::endpoint_url(service, self.endpoint_url.as_deref())
    }
}

/// What clients of a service at this URL, or on AWS, have in common.
async fn config(url: Option<&str>) -> Result<SdkConfig, String> {
    let config = match url {
        Some(url) if is_emulator(url) => emulator().await,
        _ => aws::workstation_sdk_config().await,
    };
    if config.region().is_none() {
        return Err(
            "no region: set AWS_REGION, or choose a profile that has one with AWS_PROFILE; for the local stack, name it \
             with --endpoint-url"
                .to_owned(),
        );
    }
    let timeout = TimeoutConfig::builder().operation_attempt_timeout(REQUEST_TIMEOUT);
    Ok(config.into_builder().timeout_config(timeout.build()).build())
}

fn place(url: Option<String>, config: &SdkConfig) -> String {
    url.or_else(|| config.endpoint_url().map(str::to_owned))
        .unwrap_or_else(|| format!("AWS in {}", config.region().map_or("no region", Region::as_ref)))
}

/// AWS's own endpoints, private ones too, are asked by TLS; an emulator on this machine is not, and takes any credentials.
fn is_emulator(url: &str) -> bool {
    url.starts_with("http://")
}

/// The environment's region and credentials, or any: a search for others takes seconds, and real ones don't belong there.
async fn emulator() -> SdkConfig {
    let config = aws::sdk_config(REQUEST_TIMEOUT).await;
    let region = config.region().cloned().unwrap_or(Region::from_static(REGION));
    let config = config
        .into_builder()
        .region(region)
        .retry_config(RetryConfig::standard());
    match env::var_os("AWS_ACCESS_KEY_ID") {
        Some(_) => config.build(),
        None => {
            let anybody = Credentials::new("local", "local", None, None, "an emulator");
            config
                .credentials_provider(SharedCredentialsProvider::new(anybody))
                .build()
        }
    }
}
