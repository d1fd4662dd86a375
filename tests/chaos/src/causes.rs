//! Why deliveries failed: what explains an external effect that is repeated.

use std::collections::BTreeMap;

use emulator::lambda::Event;
use serde_json::Value;

/// Why a delivery of a message failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Killed,
    /// Past its lease.
    Stopped,
    TimedOut,
    /// The receiver accepted the notification, or may have, and its answer was lost.
    ReceiverFailed,
    /// Anything else that the function states.
    Other(String),
}

/// The failed deliveries of each message, in the order of their ends.
#[derive(Default)]
pub(crate) struct Causes {
    /// The process of each invocation.
    processes: BTreeMap<String, String>,
    failed: BTreeMap<String, Vec<(String, Cause)>>,
}

impl Causes {
    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::InvocationStarted {
                process, request_id, ..
            } => {
                self.processes.insert(request_id, process);
            }
            Event::BatchFinished {
                messages,
                whole_batch: Some(reason),
                ..
            } => {
                let request = reason
                    .split_once("RequestId: ")
                    .and_then(|(_, rest)| rest.split(' ').next());
                let process = request.and_then(|request| self.processes.get(request)).cloned();
                for message in messages {
                    self.add(message, process.clone().unwrap_or_default(), of_batch(&reason));
                }
            }
            Event::Log { process, line, .. } => {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                let why = line["message"]
                    .as_str()
                    .and_then(|logged| logged.strip_prefix("failed: "));
                if let (Some(why), Some(message)) = (why, line["messageId"].as_str()) {
                    self.add(message.to_owned(), process, of_message(why));
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

fn of_message(why: &str) -> Cause {
    match why {
        _ if why.starts_with("the receiver ") => Cause::ReceiverFailed,
        _ if why.contains("deadline") || why.contains("time is up") => Cause::TimedOut,
        _ => Cause::Other(why.to_owned()),
    }
}
