//! `local env`: the environment of a function's process, for a process that something else starts.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use cli::say;
use serde::Deserialize;

use crate::{EndpointArgs, Outcome, lambda};

#[derive(Args)]
pub(crate) struct EnvArgs {
    /// The function's name
    function: String,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// The part of a function's configuration that makes its environment.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    function_arn: String,
    environment: Environment,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    variables: BTreeMap<String, String>,
}

pub(crate) async fn run(args: EnvArgs) -> Outcome {
    let EnvArgs { function, endpoint } = args;
    let endpoint = endpoint.of("LAMBDA")?;
    let request = lambda::about(&function, &endpoint, "configuration");
    let refused = format!("{endpoint} refused the configuration of {function}");
    let (_, answer) = lambda::send(&endpoint, request, Vec::new(), &refused).await?;
    let configuration = serde_json::from_str(&answer);
    let configuration: Configuration =
        configuration.map_err(|error| format!("{endpoint} does not answer as Lambda does: {error}"))?;
    for (name, value) in variables(configuration, &endpoint) {
        say!("{name}={}", quoted(&value));
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration's, and what Lambda adds to it for the AWS SDK. The stack takes any credentials; for another service in its
/// place there are those in the environment, or none that matter.
fn variables(configuration: Configuration, stack: &str) -> BTreeMap<String, String> {
    let mut variables = configuration.environment.variables;
    if let Some(region) = configuration.function_arn.split(':').nth(3) {
        variables.insert("AWS_REGION".to_owned(), region.to_owned());
    }
    let is_served_by_stack = variables
        .get("AWS_ENDPOINT_URL_DYNAMODB")
        .is_some_and(|url| url == stack);
    if is_served_by_stack || std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            variables.insert(name.to_owned(), "local".to_owned());
        }
    }
    variables
}

/// The value, in quotes if a shell would take it for more than a word.
fn quoted(value: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:,+@%=".contains(character);
    match value.chars().all(is_plain) {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_value_that_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(
            quoted("http://127.0.0.1:4566/000000000000/orders-dlq"),
            "http://127.0.0.1:4566/000000000000/orders-dlq"
        );
        assert_eq!(quoted("https://example.com/?a=1&b=2"), "'https://example.com/?a=1&b=2'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
