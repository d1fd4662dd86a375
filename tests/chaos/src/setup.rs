//! The stack of a run: the template with the proxy in it, and short times.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cli::say;
use local::{Binaries, Options, build};

use crate::Failed;
use crate::workload::FUNCTIONS;

/// Short, so that a minute has many crashes. An invocation may lose one request to a timeout, and not two.
const PARAMETERS: [(&str, &str); 7] = [
    ("FunctionTimeout", "2"),
    ("RequestTimeout", "1"),
    ("VisibilityTimeout", "3"),
    ("LongestRetryDelay", "1"),
    ("MaxReceiveCount", "1000"),
    ("BatchSize", "3"),
    ("MaximumConcurrency", "6"),
];

/// The line of the template after which the proxy's URL is set for all functions.
const ENVIRONMENT: &str = "        IDEMPOTENCY_TABLE: !Ref IdempotencyTable\n";

/// The template with the proxy between its functions and their tables and queues.
pub(crate) async fn options(template: &Path, proxy: &str, receiver: &str) -> Result<Options, Failed> {
    let text = fs::read_to_string(template).map_err(|error| format!("{}: {error}", template.display()))?;
    if !text.contains(ENVIRONMENT) {
        return Err(format!("{} has no line {ENVIRONMENT}", template.display()).into());
    }
    let endpoints = ["SQS", "DYNAMODB"].map(|service| format!("        AWS_ENDPOINT_URL_{service}: {proxy}\n"));
    let text = text.replace(ENVIRONMENT, &format!("{ENVIRONMENT}{}", endpoints.concat()));
    say!("Building the functions ...");
    let names = FUNCTIONS.map(str::to_owned);
    let workspace = template.parent().filter(|folder| !folder.as_os_str().is_empty());
    let binaries = build(workspace.unwrap_or(Path::new(".")), &names).await?;
    let file = std::env::temp_dir().join(format!("chaos-{}.yaml", std::process::id()));
    fs::write(&file, text)?;
    let parameters = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut parameters = BTreeMap::from(parameters);
    parameters.insert("NotificationUrl".to_owned(), receiver.to_owned());
    Ok(Options {
        parameters,
        binaries: Binaries::Only(binaries),
        ..Options::new(file)
    })
}
