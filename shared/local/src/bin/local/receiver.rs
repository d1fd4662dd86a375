//! `local receiver`: what functions sent to a receiver of the stack, and how it answers next.

use std::process::ExitCode;

use axum::http::{Method, Request, StatusCode};
use clap::Args;
use cli::say;
use emulator::Receivers;
use http_body_util::BodyExt;
use local::no_answer;
use serde_json::{Value, json};

use crate::{EndpointArgs, Outcome};

#[derive(Args)]
pub(crate) struct ReceiverArgs {
    /// The template's parameter with the receiver's URL, such as NotificationUrl
    parameter: String,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// The next answers. Without any of these, the command prints the requests so far.
#[derive(Args)]
struct AnswerArgs {
    /// Answer the next requests with this status [default: 202]
    #[arg(long, value_parser = clap::value_parser!(u16).range(200..600))]
    status: Option<u16>,
    /// How many requests to answer like this [default: 1]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    times: Option<u32>,
    /// Wait this long before each of these answers
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    delay: Option<f64>,
    /// Send the header Retry-After
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u64>,
    /// Send this body
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "a number of seconds up to 86400, such as 0.5".to_owned())
}

impl AnswerArgs {
    /// What the stack takes; `None` without an option.
    fn script(self) -> Option<Value> {
        let Self {
            status,
            times,
            delay,
            retry_after,
            body,
        } = self;
        let options = [
            ("status", status.map(Value::from)),
            ("times", times.map(Value::from)),
            ("delay", delay.map(Value::from)),
            ("retryAfter", retry_after.map(Value::from)),
            ("body", body.map(Value::from)),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let given: serde_json::Map<_, _> = given.collect();
        (!given.is_empty()).then_some(Value::Object(given))
    }
}

pub(crate) async fn run(args: ReceiverArgs) -> Outcome {
    // The stack is where Lambda is, whatever else is overridden.
    let endpoint = args.endpoint.of("LAMBDA")?;
    let script = args.answer.script();
    let url = format!("{endpoint}{}/{}", Receivers::CONTROL_PATH, args.parameter);
    match script {
        Some(script) => {
            send(&endpoint, Method::POST, &url, &script.to_string()).await?;
            let times = script.get("times").cloned().unwrap_or(json!(1));
            say!("set {}: answers to the next requests: {times}", args.parameter);
        }
        None => {
            let requests = send(&endpoint, Method::GET, &url, "").await?;
            let requests: Vec<Value> = serde_json::from_str(&requests)
                .map_err(|error| format!("{endpoint} does not answer as a local stack does: {error}"))?;
            if requests.is_empty() {
                say!("no requests so far");
            }
            for request in requests {
                say!("{}", line(&request));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One request: its method and path, the status of its answer, the headers that a handler sets, and the body.
fn line(request: &Value) -> String {
    /// What HTTP clients add to every request.
    const USUAL: [&str; 5] = ["accept", "connection", "content-length", "content-type", "host"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers = headers.filter(|(name, _)| !USUAL.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| format!(" {name}: {}", text(value)));
    let headers: String = headers.collect();
    let path = match text(&request["path"]) {
        path if path.is_empty() => "/".to_owned(),
        path => path,
    };
    let line = format!(
        "{} {path} -> {}{headers} {}",
        text(&request["method"]),
        request["status"],
        request["body"]
    );
    cli::printable(&line).to_string()
}

async fn send(endpoint: &str, method: Method, url: &str, body: &str) -> Result<String, String> {
    let request = Request::builder().method(method).uri(url).body(body.to_owned().into());
    let request = request.map_err(|_| "that can't be the name of a parameter".to_owned())?;
    let response = aws::https_client().request(request).await;
    let (head, body) = response.map_err(|error| no_answer(endpoint, &error))?.into_parts();
    let body = body.collect().await.map_err(|error| no_answer(endpoint, &error))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match head.status {
        status if status.is_success() => Ok(body),
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
            let refusal: Option<Value> = serde_json::from_str(&body).ok();
            let message = refusal.as_ref().and_then(|refusal| refusal["message"].as_str());
            Err(message.unwrap_or("it is no local stack").to_owned())
        }
        status => Err(format!("{endpoint} answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_one_line_with_the_headers_of_the_handler() {
        let request = json!({
            "method": "POST", "path": "", "status": 402, "body": {"amount": 7},
            "headers": {"host": "127.0.0.1", "content-length": "12", "idempotency-key": "k-1"},
        });
        assert_eq!(line(&request), r#"POST / -> 402 idempotency-key: k-1 {"amount":7}"#);
    }
}
