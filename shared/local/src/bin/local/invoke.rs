//! `local invoke`: a function with an event from a file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use clap::Args;
use cli::say;

use crate::{EndpointArgs, Outcome, lambda};

#[derive(Args)]
pub(crate) struct InvokeArgs {
    /// The function's name
    function: String,
    /// The event, such as those under events/
    file: PathBuf,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Prints the response on standard output, the function's log on standard error.
pub(crate) async fn run(args: InvokeArgs) -> Outcome {
    let InvokeArgs {
        function,
        file,
        endpoint,
    } = args;
    let endpoint = endpoint.of("LAMBDA")?;
    let event = fs::read(&file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let request = lambda::about(&function, &endpoint, "invocations")
        .method("POST")
        .header("x-amz-log-type", "Tail");
    let refused = format!("{endpoint} refused to invoke {function} with {}", file.display());
    let (headers, body) = lambda::send(&endpoint, request, event, &refused).await?;
    let log = headers
        .get("x-amz-log-result")
        .and_then(|log| BASE64.decode(log).ok())
        .unwrap_or_default();
    eprint!("{}", String::from_utf8_lossy(&log));
    say!("{body}");
    match headers.contains_key("x-amz-function-error") {
        true => Err(format!("the function {function} failed; its response above has the reason").into()),
        false => Ok(ExitCode::SUCCESS),
    }
}
