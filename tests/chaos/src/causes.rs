//! Why deliveries failed: what explains an external effect that is repeated.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use emulator::lambda::Event;
use serde_json::Value;

use crate::scenario::Scenario;

/// Why a delivery of a message failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Killed,
    /// Past its lease.
    Stopped,
    TimedOut,
    /// The receiver accepted the notification, or may have, and its answer was lost.
    ReceiverFailed,
    /// The ledger gave no good answer until the deadline.
    LedgerFailed,
    /// The function stopped asking the ledger long before its deadline. A bug.
    GaveUp(String),
    /// Anything else that the function states. A bug, too.
    Other(String),
}

/// An invocation may take two seconds. What fails before half of it was not stopped by its deadline.
const EARLY: Duration = Duration::from_millis(800);

impl Cause {
    /// Whether it can happen in a scenario. A slow machine lets time run out in each.
    pub(crate) fn is_possible(&self, scenario: &Scenario) -> bool {
        match self {
            Self::Killed => scenario.kills,
            Self::Stopped => scenario.stops,
            Self::TimedOut => true,
            Self::ReceiverFailed => !scenario.receiver.is_empty(),
            Self::LedgerFailed => !scenario.table.is_empty(),
            Self::GaveUp(_) | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Stopped => f.write_str("stopped past its lease"),
            Self::TimedOut => f.write_str("timed out"),
            Self::ReceiverFailed => f.write_str("the receiver failed after its effect"),
            Self::LedgerFailed => f.write_str("the ledger failed until the deadline"),
            Self::GaveUp(why) => write!(f, "gave up before its deadline: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// The failed deliveries of each message, in the order of their ends.
#[derive(Default)]
pub(crate) struct Causes {
    /// The process of each invocation, and its start.
    invocations: BTreeMap<String, (String, Instant)>,
    failed: BTreeMap<String, Vec<(String, Cause)>>,
}

impl Causes {
    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::InvocationStarted {
                process, request_id, ..
            } => {
                self.invocations.insert(request_id, (process, Instant::now()));
            }
            Event::BatchFinished {
                messages,
                whole_batch: Some(reason),
                ..
            } => {
                let request = reason
                    .split_once("RequestId: ")
                    .and_then(|(_, rest)| rest.split(' ').next());
                let invocation = request.and_then(|request| self.invocations.get(request));
                let process = invocation.map_or_else(String::new, |(process, _)| process.clone());
                for message in messages {
                    self.add(message, process.clone(), of_batch(&reason));
                }
            }
            Event::Log { process, line, .. } => {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                let why = line["message"]
                    .as_str()
                    .and_then(|logged| logged.strip_prefix("failed: "));
                if let (Some(why), Some(message)) = (why, line["messageId"].as_str()) {
                    let request = line["requestId"].as_str().unwrap_or_default();
                    let started = self.invocations.get(request).map(|(_, started)| started.elapsed());
                    self.add(
                        message.to_owned(),
                        process,
                        of_message(why, started.unwrap_or_default()),
                    );
                }
            }
            _ => {}
        }
    }

    /// The causes of the failed deliveries of a message. Whatever a process says that was stopped, the stop is the cause.
    pub(crate) fn of<'a>(&'a self, message: &str, stopped: &'a [String]) -> impl Iterator<Item = Cause> + 'a {
        let failed = self.failed.get(message).into_iter().flatten();
        failed.map(|(process, cause)| match stopped.contains(process) {
            true => Cause::Stopped,
            false => cause.clone(),
        })
    }

    fn add(&mut self, message: String, process: String, cause: Cause) {
        self.failed.entry(message).or_default().push((process, cause));
    }
}

fn of_batch(reason: &str) -> Cause {
    match reason {
        _ if reason.contains("signal: killed") => Cause::Killed,
        _ if reason.contains("Task timed out") => Cause::TimedOut,
        _ => Cause::Other(reason.to_owned()),
    }
}

/// `after`: the time since the start of its invocation.
fn of_message(why: &str, after: Duration) -> Cause {
    let of_ledger = [
        "the ledger did not answer",
        "the ledger is throttled",
        "transaction conflict",
    ];
    match why {
        _ if why.starts_with("the receiver ") => Cause::ReceiverFailed,
        _ if of_ledger.iter().any(|beginning| why.starts_with(beginning)) => match after < EARLY {
            true => Cause::GaveUp(why.to_owned()),
            false => Cause::LedgerFailed,
        },
        _ if why.contains("deadline") || why.contains("time is up") => Cause::TimedOut,
        _ => Cause::Other(why.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ledger_that_fails_until_the_deadline_explains_a_failure() {
        let why = "the ledger did not answer: dispatch failure";
        assert_eq!(of_message(why, Duration::from_secs(2)), Cause::LedgerFailed);
        assert_eq!(of_message(why, Duration::ZERO), Cause::GaveUp(why.to_owned()));
    }

    #[test]
    fn the_end_of_a_process_is_read_from_the_reason_of_its_batch() {
        let killed = "Runtime.ExitError: RequestId: 7 Error: Runtime exited with error: signal: killed";
        assert_eq!(of_batch(killed), Cause::Killed);
        assert_eq!(
            of_batch("Sandbox.Timedout: RequestId: 7 Error: Task timed out after 2.00 seconds"),
            Cause::TimedOut
        );
    }
}
