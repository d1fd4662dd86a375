//! `local invoke`: a function with an event from a file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use clap::Args;
use http_body_util::BodyExt;

use crate::{EndpointArgs, Outcome, chain};

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
    let endpoint = endpoint.endpoint_url.trim_end_matches('/');
    let event = fs::read(&file).map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    let request = axum::http::Request::post(format!("{endpoint}/2015-03-31/functions/{function}/invocations"))
        .header("x-amz-log-type", "Tail")
        .body(event.into())
        .map_err(|error| format!("{function:?} or {endpoint:?} makes no URL: {error}"))?;
    let response = host::https_client().request(request).await.map_err(|error| {
        format!(
            "{endpoint} can't be reached; start the stack with `cargo run -p local -- up` ({})",
            chain(&error)
        )
    })?;
    let (head, body) = response.into_parts();
    let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
    if !head.status.is_success() {
        return Err(format!("{endpoint} refused to invoke {function}: {body}").into());
    }
    let log = head
        .headers
        .get("x-amz-log-result")
        .and_then(|log| BASE64.decode(log).ok())
        .unwrap_or_default();
    eprint!("{}", String::from_utf8_lossy(&log));
    println!("{body}");
    match head.headers.contains_key("x-amz-function-error") {
        true => Err(format!("the function {function} failed").into()),
        false => Ok(ExitCode::SUCCESS),
    }
}
