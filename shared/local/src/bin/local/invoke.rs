//! `local invoke`: a function with an event from a file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use clap::Args;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::{EndpointArgs, Outcome, say, unreachable};

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
    let request = axum::http::Request::post(format!("{endpoint}/2015-03-31/functions/{function}/invocations"))
        .header("x-amz-log-type", "Tail")
        .body(event.into())
        .map_err(|_| format!("{function:?} can't be the name of a function"))?;
    let response = host::https_client().request(request).await;
    let (head, body) = response.map_err(|error| unreachable(&endpoint, &error))?.into_parts();
    let body = body.collect().await;
    let body = body.map_err(|error| unreachable(&endpoint, &error))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if !head.status.is_success() {
        let reason = serde_json::from_str::<Value>(&body).ok();
        let reason = reason.as_ref().and_then(|refusal| refusal["Message"].as_str());
        return Err(format!(
            "{endpoint} refused to invoke {function} with {}: {}",
            file.display(),
            reason.unwrap_or(&body)
        )
        .into());
    }
    let log = head
        .headers
        .get("x-amz-log-result")
        .and_then(|log| BASE64.decode(log).ok())
        .unwrap_or_default();
    eprint!("{}", String::from_utf8_lossy(&log));
    say!("{body}");
    match head.headers.contains_key("x-amz-function-error") {
        true => Err(format!("the function {function} failed; its answer says why").into()),
        false => Ok(ExitCode::SUCCESS),
    }
}
