//! The events of the stack, one line each.

use emulator::lambda::Event;
use serde_json::Value;

/// The line for an event; `None`: it is not worth one. It may quote messages, so it is escaped for a terminal.
pub fn line(event: &Event) -> Option<String> {
    raw(event).map(|line| cli::printable(&line))
}

fn raw(event: &Event) -> Option<String> {
    match event {
        Event::BatchFinished {
            function,
            queue,
            messages,
            failed,
            whole_batch,
            duration,
        } => {
            let queue = queue.rsplit(':').next().unwrap_or(queue);
            let done = messages.len() - failed.len();
            let outcome = match (whole_batch, failed.len()) {
                (Some(reason), _) => format!("all failed: {}", without_request_id(reason)),
                (None, 0) => format!("{done} acknowledged"),
                (None, some) => format!("{done} acknowledged, {some} to be redelivered ({})", short(failed)),
            };
            let count = plural(messages.len(), "message");
            Some(format!(
                "{function}: {count} of {queue} in {} ms: {outcome}",
                duration.as_millis()
            ))
        }
        Event::InvocationKilled { function, reason, .. } => Some(format!("{function}: process killed: {reason}")),
        Event::Log { function, line, .. } => log_line(line).map(|line| format!("{function}: {line}")),
        Event::Trouble { what } => Some(format!("trouble: {what}")),
        _ => None,
    }
}

/// A function's own line: warnings, errors, and lines that are not in the form of its log.
fn log_line(line: &str) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
        return Some(line.to_owned());
    };
    let text = |name| fields.get(name).and_then(Value::as_str);
    let (level, message) = (text("level")?, text("message")?);
    let id = text("messageId")
        .map(|id| format!(" ({})", head(id)))
        .unwrap_or_default();
    matches!(level, "WARN" | "ERROR").then(|| format!("{level} {message}{id}"))
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
        let lines = |failed: &[&str], whole| line(&finished(failed, whole)).unwrap();
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

    #[test]
    fn of_a_log_warnings_and_unstructured_lines_are_shown() {
        let warning = r#"{"level":"WARN","message":"failed: busy","messageId":"12345678-9"}"#;
        assert_eq!(log_line(warning).unwrap(), "WARN failed: busy (12345678)");
        assert_eq!(log_line(r#"{"level":"INFO","message":"hello"}"#), None);
        assert_eq!(log_line("plain").unwrap(), "plain");
    }

    #[test]
    fn text_of_a_message_is_escaped_for_the_terminal() {
        let event = Event::Log {
            function: "place-order".to_owned(),
            process: "1".to_owned(),
            line: r#"{"level":"ERROR","message":"order \u001b[31m\u0000\nplace-order: 1 message"}"#.to_owned(),
        };
        assert_eq!(
            line(&event).unwrap(),
            r"place-order: ERROR order \u{1b}[31m\u{0}\nplace-order: 1 message"
        );
    }
}
