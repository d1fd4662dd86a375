//! The events of the stack, one line each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use emulator::lambda::Event;
use serde_json::{Map, Value};

/// Which lines of the functions' logs to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLines {
    /// Warnings and errors, and lines that are not in the form of the log; no line has a time.
    Warnings,
    /// All that the functions log at their level, with the fields; each line begins with the time, in UTC.
    All,
    /// All that the functions write, as they write it.
    Raw,
}

/// Makes lines of events. Some lines need earlier events: why a message failed, and what an invocation logged.
pub struct Watch {
    log: LogLines,
    /// Why a message failed last, by its ID.
    failures: BTreeMap<String, String>,
    /// The processes that cancelled a handler in their invocation.
    cancelled: BTreeSet<String>,
}

impl Watch {
    /// Nothing has happened yet.
    pub fn new(log: LogLines) -> Self {
        Self {
            log,
            failures: BTreeMap::new(),
            cancelled: BTreeSet::new(),
        }
    }

    /// The line for an event; `None`: it is not worth one. It may quote messages, so it is escaped for a terminal.
    pub fn line(&mut self, event: &Event) -> Option<String> {
        let text = match (event, self.log) {
            (Event::Log { line, .. }, LogLines::Raw) => return Some(cli::printable(line)),
            _ => self.text(event)?,
        };
        let text = cli::printable(&text);
        Some(match self.log {
            LogLines::Warnings => text,
            LogLines::All | LogLines::Raw => timed(&text),
        })
    }

    fn text(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::InvocationStarted { process, .. } | Event::ProcessEnded { process, .. } => {
                self.cancelled.remove(process);
                None
            }
            Event::BatchFinished { .. } => self.batch(event),
            Event::InvocationKilled {
                function,
                process,
                reason,
                ..
            } => Some(format!(
                "{function}: process killed: {reason}{}",
                self.blocked(process, reason)
            )),
            Event::InitFailed { function, reason } => {
                Some(format!("{function}: does not start: {}", without_request_id(reason)))
            }
            Event::Log {
                function,
                process,
                line,
            } => {
                let line = self.log_line(process, line)?;
                Some(format!("{function}: {line}"))
            }
            Event::DeadLettered { .. } => self.moved(event),
            Event::Deleted { queue, messages } => {
                messages.iter().for_each(|message| drop(self.failures.remove(message)));
                let count = plural(messages.len(), "message");
                Some(format!("{queue}: {count} acknowledged ({})", short(messages)))
            }
            Event::Worker { function, what } => Some(format!("{function}: {what}")),
            Event::Trouble { what } => Some(format!("trouble: {what}")),
            _ => None,
        }
    }

    fn moved(&mut self, event: &Event) -> Option<String> {
        let Event::DeadLettered {
            queue,
            dead_letter_queue,
            message,
            receives,
        } = event
        else {
            return None;
        };
        let failure = self.failures.remove(message);
        let failure = failure.map(|failure| format!("; last failure: {failure}"));
        Some(format!(
            "{queue}: message {} moved to {dead_letter_queue} after {}{}",
            head(message),
            plural(usize::try_from(*receives).unwrap_or(usize::MAX), "receive"),
            failure.unwrap_or_default()
        ))
    }

    fn batch(&mut self, event: &Event) -> Option<String> {
        let Event::BatchFinished {
            function,
            queue,
            messages,
            failed,
            whole_batch,
            duration,
        } = event
        else {
            return None;
        };
        let whole_batch = whole_batch.as_deref().map(without_request_id);
        for message in messages {
            match &whole_batch {
                _ if !failed.contains(message) => drop(self.failures.remove(message)),
                Some(reason) => drop(self.failures.insert(message.clone(), reason.clone())),
                None => {}
            }
        }
        let queue = queue.rsplit(':').next().unwrap_or(queue);
        let done = messages.len() - failed.len();
        let outcome = match (whole_batch, failed.len()) {
            (Some(reason), _) => format!("all failed: {reason}"),
            (None, 0) => format!("{done} acknowledged"),
            (None, some) => format!("{done} acknowledged, {some} to be redelivered ({})", short(failed)),
        };
        let count = plural(messages.len(), "message");
        let millis = duration.as_millis();
        Some(format!("{function}: {count} of {queue} in {millis} ms: {outcome}"))
    }

    /// A handler that yields is cancelled before the deadline, and logged. If none was, one has held its thread.
    fn blocked(&self, process: &str, reason: &str) -> &'static str {
        match reason.starts_with("timed out") && !self.cancelled.contains(process) {
            true => {
                ", and no handler was cancelled at the deadline: the handler did not yield, it blocks its thread \
                 (use async calls, or tokio::task::spawn_blocking)"
            }
            false => "",
        }
    }

    /// A line that a process wrote.
    fn log_line(&mut self, process: &str, line: &str) -> Option<String> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
            return Some(line.to_owned());
        };
        // Metrics are in the log, too, in CloudWatch's embedded metric format.
        if fields.contains_key("_aws") {
            return None;
        }
        let (Some(level), Some(message)) = (taken(&mut fields, "level"), taken(&mut fields, "message")) else {
            return Some(line.to_owned());
        };
        let id = taken(&mut fields, "messageId");
        self.note(process, id.as_deref(), &message);
        if self.log == LogLines::Warnings && !matches!(level.as_str(), "WARN" | "ERROR") {
            return None;
        }
        let id = id.map(|id| format!(" ({})", head(&id))).unwrap_or_default();
        // Where a panic happened.
        let location = taken(&mut fields, "location").map(|location| format!(" at {location}"));
        let location = location.unwrap_or_default();
        let fields = match self.log {
            LogLines::Warnings => String::new(),
            LogLines::All | LogLines::Raw => named(&fields),
        };
        Some(format!("{level} {message}{location}{id}{fields}"))
    }

    fn note(&mut self, process: &str, id: Option<&str>, message: &str) {
        let outcome = message.strip_prefix("failed: ").or(message.strip_prefix("rejected: "));
        if let (Some(id), Some(failure)) = (id, outcome) {
            self.failures.insert(id.to_owned(), failure.to_owned());
        }
        let cancelled = ["the handler was cancelled", "were not finished before the deadline"];
        if cancelled.iter().any(|text| message.contains(text)) {
            self.cancelled.insert(process.to_owned());
        }
    }
}

/// The text with the time before it, to the millisecond.
pub fn timed(text: &str) -> String {
    let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let (_, time) = now.split_once('T').unwrap_or_default();
    format!("{} {text}", time.trim_end_matches('Z'))
}

/// The text of a field, which is then no longer there.
fn taken(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Fields that say nothing here: each line has a time, and the others are for finding an invocation among many.
const NOT_SHOWN: [&str; 5] = ["timestamp", "requestId", "traceId", "xrayTraceId", "invocationTraceId"];

/// ` name=value` for each field.
fn named(fields: &Map<String, Value>) -> String {
    let shown = fields.iter().filter(|(name, _)| !NOT_SHOWN.contains(&name.as_str()));
    let field = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => format!(" {name}={text}"),
        _ => format!(" {name}={value}"),
    };
    shown.map(field).collect()
}

/// Lambda puts `RequestId: …` into the middle of its reasons; here no other line has it.
fn without_request_id(reason: &str) -> String {
    match reason
        .split_once("RequestId: ")
        .map(|(before, after)| (before, after.split_once(" Error: ")))
    {
        Some((before, Some((_, after)))) => format!("{before}{after}"),
        _ => reason.to_owned(),
    }
}

fn short(ids: &[String]) -> String {
    let shown: Vec<_> = ids.iter().take(3).map(|id| head(id)).collect();
    match ids.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The first characters of a message ID: enough to find it again.
pub fn head(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// `1 message`, `2 messages`.
pub fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn finished(failed: &[&str], whole_batch: Option<&str>) -> Event {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Event::BatchFinished {
            function: "place-order".to_owned(),
            queue: "arn:aws:sqs:us-east-1:000000000000:orders".to_owned(),
            messages: ids(&["11111111-1", "22222222-2"]),
            failed: ids(failed),
            whole_batch: whole_batch.map(str::to_owned),
            duration: Duration::from_millis(12),
        }
    }

    #[test]
    fn a_batch_is_one_line_that_names_what_failed() {
        let lines = |failed: &[&str], whole| shown(LogLines::Warnings, &[finished(failed, whole)]).remove(0);
        assert_eq!(
            lines(&[], None),
            "place-order: 2 messages of orders in 12 ms: 2 acknowledged"
        );
        assert_eq!(
            lines(&["22222222-2"], None),
            "place-order: 2 messages of orders in 12 ms: 1 acknowledged, 1 to be redelivered (22222222)"
        );
        assert_eq!(
            lines(&["11111111-1", "22222222-2"], Some("timed out")),
            "place-order: 2 messages of orders in 12 ms: all failed: timed out"
        );
        assert_eq!(
            lines(
                &["11111111-1", "22222222-2"],
                Some("Runtime.ExitError: RequestId: 7-8 Error: Runtime exited with error: signal: killed")
            ),
            "place-order: 2 messages of orders in 12 ms: \
             all failed: Runtime.ExitError: Runtime exited with error: signal: killed"
        );
    }

    /// The lines for these events.
    fn shown(log: LogLines, events: &[Event]) -> Vec<String> {
        let mut watch = Watch::new(log);
        events.iter().filter_map(|event| watch.line(event)).collect()
    }

    fn logged(line: &str) -> Event {
        Event::Log {
            function: "place-order".to_owned(),
            process: "1".to_owned(),
            line: line.to_owned(),
        }
    }

    #[test]
    fn of_a_log_warnings_and_unstructured_lines_are_shown() {
        let lines = [
            r#"{"level":"WARN","message":"failed: busy","messageId":"12345678-9","key":"k"}"#,
            r#"{"level":"INFO","message":"hello"}"#,
            r#"{"_aws":{},"Done":1}"#,
            "plain",
            r#"{"total":1}"#,
        ];
        assert_eq!(
            shown(LogLines::Warnings, &lines.map(logged)),
            [
                "place-order: WARN failed: busy (12345678)",
                "place-order: plain",
                r#"place-order: {"total":1}"#
            ]
        );
    }

    #[test]
    fn every_line_of_the_log_is_shown_with_time_and_fields() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00.000Z","level":"INFO","message":"hello","messageId":"12345678-9",
            "requestId":"r","traceId":"t","xrayTraceId":"x","invocationTraceId":"i","amount":5,"key":"place-order#1","sku":"tea = black"}"#;
        let [line] = shown(LogLines::All, &[logged(line)]).try_into().unwrap();
        let (time, text) = line.split_once(' ').unwrap();
        assert_eq!(time.len(), "12:34:56.789".len());
        assert_eq!(
            text,
            r#"place-order: INFO hello (12345678) amount=5 key=place-order#1 sku="tea = black""#
        );
    }

    #[test]
    fn raw_lines_of_the_log_are_as_they_were_written() {
        let line = r#"{"level":"DEBUG","message":"hello","key":"k"}"#;
        assert_eq!(shown(LogLines::Raw, &[logged(line)]), [line]);
    }

    #[test]
    fn a_panic_is_shown_with_file_and_line() {
        let panic = r#"{"level":"ERROR","message":"panic: odd","messageId":"12345678-9","location":"src/lib.rs:7:5"}"#;
        assert_eq!(
            shown(LogLines::Warnings, &[logged(panic)]),
            ["place-order: ERROR panic: odd at src/lib.rs:7:5 (12345678)"]
        );
    }

    fn moved(message: &str) -> Event {
        Event::DeadLettered {
            queue: "orders".to_owned(),
            dead_letter_queue: "orders-dlq".to_owned(),
            message: message.to_owned(),
            receives: 2,
        }
    }

    #[test]
    fn a_moved_message_is_shown_with_its_last_failure() {
        let failed = r#"{"level":"WARN","message":"failed: busy","messageId":"22222222-2"}"#;
        let whole_batch = finished(&["11111111-1", "22222222-2"], Some("timed out"));
        let last = |events: &[Event]| shown(LogLines::Warnings, events).pop().unwrap();
        let line = "orders: message 22222222 moved to orders-dlq after 2 receives";
        assert_eq!(last(&[moved("22222222-2")]), line);
        assert_eq!(
            last(&[logged(failed), finished(&["22222222-2"], None), moved("22222222-2")]),
            format!("{line}; last failure: busy")
        );
        assert_eq!(
            last(&[logged(failed), whole_batch, moved("22222222-2")]),
            format!("{line}; last failure: timed out")
        );
        assert_eq!(last(&[logged(failed), finished(&[], None), moved("22222222-2")]), line);
    }

    #[test]
    fn a_worker_and_what_it_acknowledged_are_shown() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let started = Event::Worker {
            function: "place-order".to_owned(),
            what: "worker started".to_owned(),
        };
        let deleted = Event::Deleted {
            queue: "orders".to_owned(),
            messages: ids(&["11111111-1", "22222222-2"]),
        };
        assert_eq!(
            shown(LogLines::Warnings, &[started, deleted]),
            [
                "place-order: worker started",
                "orders: 2 messages acknowledged (11111111, 22222222)"
            ]
        );
    }

    #[test]
    fn a_timeout_without_a_cancelled_handler_is_a_blocked_thread() {
        let killed = |reason: &str| Event::InvocationKilled {
            function: "place-order".to_owned(),
            process: "1".to_owned(),
            request_id: "r".to_owned(),
            reason: reason.to_owned(),
        };
        let started = Event::InvocationStarted {
            function: "place-order".to_owned(),
            process: "1".to_owned(),
            request_id: "r".to_owned(),
        };
        let cancelled = r#"{"level":"WARN","message":"failed: the handler was cancelled at the deadline"}"#;
        let blocks = |events: &[Event]| {
            let last = shown(LogLines::Warnings, events).pop().unwrap();
            last.contains("the handler did not yield, it blocks its thread")
        };
        let timeout = || killed("timed out after 5.00 seconds");
        assert!(blocks(&[started.clone(), timeout()]));
        assert!(!blocks(&[started.clone(), logged(cancelled), timeout()]));
        assert!(
            blocks(&[logged(cancelled), started.clone(), timeout()]),
            "another invocation's"
        );
        assert!(!blocks(&[started, killed("killed on request")]));
    }

    #[test]
    fn text_of_a_message_is_escaped_for_the_terminal() {
        let line = r#"{"level":"ERROR","message":"order \u001b[31m\u0000\nplace-order: 1 message"}"#;
        assert_eq!(
            shown(LogLines::Warnings, &[logged(line)]),
            [r"place-order: ERROR order \u{1b}[31m\u{0}\nplace-order: 1 message"]
        );
    }
}
