//! What comes of an invocation: the answer, or how Lambda words a failure.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{logs::LastErrorLines, process::Reply};

/// The largest payload of a request: 6 MB, see [Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
pub(super) const REQUEST_BYTES: usize = 6 * 1024 * 1024;

/// The largest payload of an answer. Lambda allows a little more than 6 MB here, for the runtime's own wrapping.
pub(super) const RESPONSE_BYTES: usize = REQUEST_BYTES + 100;

/// A finished invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its request ID.
    pub request_id: String,
    /// What the function answered, or, of a failed one, `{"errorType": …, "errorMessage": …}`.
    pub payload: Bytes,
    /// Whether it failed: the function reported an error, crashed, or ran out of time. AWS calls this `FunctionError: Unhandled`.
    pub failed: bool,
    /// The last 4 KB of what the process wrote, its start included if this invocation caused that. What it wrote
    /// right before its answer may still be missing, as with Lambda.
    pub log_tail: Vec<u8>,
    /// From the request to the answer, a cold start included.
    pub duration: Duration,
}

impl Invocation {
    /// What comes of a reply; without a log, and of no duration.
    pub(super) fn of(request_id: String, reply: Reply) -> Self {
        let (payload, failed) = match reply {
            Reply::Answer(payload) => (payload, false),
            Reply::Error(payload) => (payload, true),
            Reply::Failure(failure) => (failure.payload(&request_id), true),
        };
        Self {
            request_id,
            payload,
            failed,
            log_tail: Vec::new(),
            duration: Duration::ZERO,
        }
    }

    /// Why it failed, in one line for a person; nothing if it did not fail.
    pub fn reason(&self) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Error {
            error_type: Option<String>,
            error_message: Option<String>,
        }
        if !self.failed {
            return None;
        }
        let reason = match serde_json::from_slice(&self.payload) {
            Ok(Error {
                error_type: Some(kind),
                error_message: Some(message),
            }) => format!("{kind}: {message}"),
            Ok(
                Error {
                    error_type: Some(text), ..
                }
                | Error {
                    error_message: Some(text),
                    ..
                },
            ) => text,
            _ => String::from_utf8_lossy(&self.payload).into_owned(),
        };
        Some(reason.lines().collect::<Vec<_>>().join(" "))
    }
}

/// Why a function was not invoked at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// There is no such function, or not in that version.
    #[error("Function not found: {arn} (there is {})", list(.known))]
    UnknownFunction {
        /// The requested ARN.
        arn: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The payload is larger than 6 MB.
    #[error("Request must be smaller than {REQUEST_BYTES} bytes for the InvokeFunction operation")]
    TooLarge,
    /// The payload is not JSON.
    #[error("Could not parse request body into json: {0}")]
    NotJson(String),
    /// The stack is shutting down, or its runtime is.
    #[error("the local stack is shutting down")]
    ShuttingDown,
}

fn list(known: &[String]) -> String {
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}

/// Whether a payload can be invoked with.
///
/// # Errors
///
/// It is too large, or not JSON.
pub(super) fn check_payload(payload: &[u8]) -> Result<(), InvokeError> {
    if payload.len() > REQUEST_BYTES {
        return Err(InvokeError::TooLarge);
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(payload)
        .map_err(|error| InvokeError::NotJson(error.to_string()))?;
    Ok(())
}

/// Everything but an answer that can come of an invocation whose process was to run it.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The program could not be started.
    Entrypoint { command: String, error: String },
    /// The process did not ask for its first invocation in time.
    InitTimeout(Duration),
    /// The process did not answer in time.
    Timeout(Duration),
    /// The process ended before it answered.
    Exit(Ending),
    /// The function answered more than fits.
    ResponseTooLarge,
}

impl Failure {
    /// The payload that reports it. Types and texts are Lambda's, as its
    /// [Runtime Interface Emulator](https://github.com/aws/aws-lambda-runtime-interface-emulator) has them; what comes after a
    /// semicolon is ours.
    pub(super) fn payload(&self, request_id: &str) -> Bytes {
        let (kind, message) = match self {
            Self::Entrypoint { command, error } => ("Runtime.InvalidEntrypoint", format!("{command}: {error}")),
            Self::InitTimeout(after) => (
                "Sandbox.Timedout",
                format!(
                    "Task timed out after {:.2} seconds; it never requested its first invocation",
                    after.as_secs_f64()
                ),
            ),
            Self::Timeout(after) => (
                "Sandbox.Timedout",
                format!("Task timed out after {:.2} seconds", after.as_secs_f64()),
            ),
            Self::Exit(ending) => ("Runtime.ExitError", ending.message()),
            Self::ResponseTooLarge => {
                let text =
                    format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes).");
                return error_payload("Function.ResponseSizeTooLarge", &text);
            }
        };
        error_payload(kind, &format!("RequestId: {request_id} Error: {message}"))
    }
}

fn error_payload(kind: &str, message: &str) -> Bytes {
    json!({ "errorType": kind, "errorMessage": message }).to_string().into()
}

/// How a process ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ending {
    /// `exit status 1` or `signal: killed`; nothing if it ended in order, which a function never should.
    pub(super) reason: Option<String>,
    /// The last error that it wrote.
    pub(super) last_line: Option<String>,
}

impl Ending {
    pub(super) fn new(status: Option<ExitStatus>, last: LastErrorLines) -> Self {
        let reason = status.and_then(|status| match (status.code(), status.signal()) {
            (Some(0), _) => None,
            (Some(code), _) => Some(format!("exit status {code}")),
            (None, signal) => Some(format!("signal: {}", signal_name(signal.unwrap_or_default()))),
        });
        let last_line = match status.and_then(|status| status.signal()) {
            // A killed process did not choose to end: what it wrote before is not the reason.
            Some(9) => None,
            // A panic in a handler ends the process if panics abort.
            Some(6) => last.of_process.or(last.of_message),
            _ => last.of_process,
        };
        Self { reason, last_line }
    }

    fn message(&self) -> String {
        let mut message = match &self.reason {
            Some(reason) => format!("Runtime exited with error: {reason}"),
            None => "Runtime exited without providing a reason".to_owned(),
        };
        if let Some(line) = &self.last_line {
            message.push_str("; its last words: ");
            message.push_str(line);
        }
        message
    }
}

/// Lambda's word for a signal, for those that end processes in practice.
fn signal_name(signal: i32) -> String {
    match signal {
        2 => "interrupt".to_owned(),
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(payload: impl Into<Bytes>) -> Invocation {
        let payload = payload.into();
        Invocation {
            request_id: "r".to_owned(),
            payload,
            failed: true,
            log_tail: vec![],
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn failures_are_worded_as_lambda_words_them() {
        let text = |failure: Failure| failed(failure.payload("7")).reason().unwrap();
        assert_eq!(
            text(Failure::Timeout(Duration::from_secs(1))),
            "Sandbox.Timedout: RequestId: 7 Error: Task timed out after 1.00 seconds"
        );
        let lines = |of_process: Option<&str>, of_message: Option<&str>| LastErrorLines {
            of_process: of_process.map(str::to_owned),
            of_message: of_message.map(str::to_owned),
        };
        let killed = Ending::new(Some(ExitStatus::from_raw(9)), lines(Some("order refused"), None));
        assert_eq!(
            text(Failure::Exit(killed)),
            "Runtime.ExitError: RequestId: 7 Error: Runtime exited with error: signal: killed"
        );
        let status = Some(ExitStatus::from_raw(1 << 8));
        let ending = Ending::new(status, lines(Some("TABLE is not set"), Some("panic: odd")));
        assert_eq!(
            text(Failure::Exit(ending)),
            "Runtime.ExitError: RequestId: 7 Error: Runtime exited with error: exit status 1; \
             its last words: TABLE is not set"
        );
        assert_eq!(
            text(Failure::Exit(Ending::new(
                Some(ExitStatus::from_raw(0)),
                LastErrorLines::default()
            ))),
            "Runtime.ExitError: RequestId: 7 Error: Runtime exited without providing a reason"
        );
    }

    #[test]
    fn panic_of_a_message_explains_an_abort_only() {
        let last = LastErrorLines {
            of_process: None,
            of_message: Some("panic: odd".to_owned()),
        };
        let explained = |status| Ending::new(Some(ExitStatus::from_raw(status)), last.clone()).last_line;
        assert_eq!(explained(3 << 8), None);
        assert_eq!(explained(6).as_deref(), Some("panic: odd"));
    }

    #[test]
    fn a_reason_is_found_in_whatever_a_function_reports() {
        assert_eq!(failed(r#"{"errorMessage":"no"}"#).reason().unwrap(), "no");
        assert_eq!(failed("plainly\nwrong").reason().unwrap(), "plainly wrong");
        assert_eq!(
            Invocation {
                failed: false,
                ..failed("{}")
            }
            .reason(),
            None
        );
    }
}
