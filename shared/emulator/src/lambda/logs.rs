//! What a process writes: reported line by line, and the end of it kept.

use std::sync::Mutex;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::{lock::lock, observer::Event, observer::Observer};

/// How much of the log an answer carries: "the last 4 KB of the execution log", see
/// [Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
const TAIL_BYTES: usize = 4096;

/// The end of what a process has written.
#[derive(Debug, Default)]
pub(super) struct Logs {
    tail: Mutex<Vec<u8>>,
    last_error_lines: Mutex<LastErrorLines>,
}

/// Where a process may have stated why it ends. Lines from before the current invocation don't count.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct LastErrorLines {
    /// The last line with text on standard error, or the last error in the log that is about no single message.
    pub(super) of_process: Option<String>,
    /// The last error in the log that is about one message. The process has normally survived it, as it does a handler's panic.
    pub(super) of_message: Option<String>,
}

impl Logs {
    /// The tail since it was taken last, which then starts anew.
    pub(super) fn take_tail(&self) -> Vec<u8> {
        std::mem::take(&mut *lock(&self.tail))
    }

    pub(super) fn last_error_lines(&self) -> LastErrorLines {
        lock(&self.last_error_lines).clone()
    }

    /// An invocation begins: what went wrong before is no reason for what happens from now on.
    pub(super) fn begin(&self) {
        *lock(&self.last_error_lines) = LastErrorLines::default();
    }

    fn append(&self, line: &str) {
        let mut tail = lock(&self.tail);
        tail.extend_from_slice(line.as_bytes());
        tail.push(b'\n');
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
    }

    fn note_error_line(&self, line: &str) {
        // What every Rust panic ends with; the line before it states what is wrong.
        if !line.trim().is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE=") {
            lock(&self.last_error_lines).of_process = Some(line.to_owned());
        }
    }

    /// Notes an error in Lambda's JSON log format, which goes to standard output.
    fn note_logged_error(&self, line: &str) {
        let Ok(fields) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let message = fields["message"].as_str().filter(|_| fields["level"] == "ERROR");
        if let Some(message) = message {
            let mut last = lock(&self.last_error_lines);
            let line = match fields["messageId"].is_null() {
                true => &mut last.of_process,
                false => &mut last.of_message,
            };
            *line = Some(message.to_owned());
        }
    }
}

/// Which of its two outputs a process writes to.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// Reads one output of a process to its end.
pub(super) async fn follow(
    output: impl AsyncRead + Unpin,
    stream: Stream,
    logs: &Logs,
    observer: &Observer,
    (function, process): (&str, &str),
) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    // An output that can't be read any more counts as ended.
    while output.read_until(b'\n', &mut bytes).await.is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        logs.append(&line);
        match stream {
            Stream::Error => logs.note_error_line(&line),
            Stream::Output => logs.note_logged_error(&line),
        }
        let _ = observer.send(Event::Log {
            function: function.to_owned(),
            process: process.to_owned(),
            line,
        });
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    async fn followed(text: &[u8]) -> (Logs, Vec<String>) {
        followed_on(Stream::Error, text).await
    }

    async fn followed_on(stream: Stream, text: &[u8]) -> (Logs, Vec<String>) {
        let (observer, mut events) = mpsc::unbounded_channel();
        let logs = Logs::default();
        follow(text, stream, &logs, &observer, ("f", "1")).await;
        drop(observer);
        let mut lines = Vec::new();
        while let Some(event) = events.recv().await {
            if let Event::Log { line, .. } = event {
                lines.push(line);
            }
        }
        (logs, lines)
    }

    #[tokio::test]
    async fn every_line_is_told_even_one_without_an_end_or_in_no_encoding() {
        let (_, lines) = followed(b"one\r\n\xffwo\nthree").await;
        assert_eq!(lines, ["one", "\u{fffd}wo", "three"]);
    }

    #[tokio::test]
    async fn the_last_line_of_a_panic_is_its_message() {
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        let (logs, _) = followed(format!("thread 'main' panicked at f.rs:1:1:\nno table\n{note}\n").as_bytes()).await;
        assert_eq!(logs.last_error_lines().of_process.as_deref(), Some("no table"));
    }

    #[tokio::test]
    async fn an_error_in_the_json_log_counts_as_a_last_line() {
        let log = "{\"level\":\"ERROR\",\"message\":\"T is not set\"}\n{\"level\":\"INFO\",\"message\":\"bye\"}\nbye\n";
        let (logs, _) = followed_on(Stream::Output, log.as_bytes()).await;
        assert_eq!(logs.last_error_lines().of_process.as_deref(), Some("T is not set"));
    }

    #[tokio::test]
    async fn error_of_a_message_is_apart_and_ends_with_its_invocation() {
        let log = "{\"level\":\"ERROR\",\"message\":\"panic: odd\",\"messageId\":\"m-1\"}\n";
        let (logs, _) = followed_on(Stream::Output, log.as_bytes()).await;
        let last = logs.last_error_lines();
        assert_eq!(
            (last.of_process, last.of_message.as_deref()),
            (None, Some("panic: odd"))
        );
        logs.begin();
        assert_eq!(logs.last_error_lines(), LastErrorLines::default());
    }

    #[tokio::test]
    async fn the_tail_is_the_last_four_kilobytes() {
        let (logs, _) = followed(format!("{}\nlast words\n\n", "x".repeat(5000)).as_bytes()).await;
        assert_eq!(logs.last_error_lines().of_process.as_deref(), Some("last words"));
        let tail = logs.take_tail();
        assert_eq!(tail.len(), 4096);
        assert!(tail.ends_with(b"xx\nlast words\n\n"));
        assert!(logs.take_tail().is_empty(), "taken once");
    }
}
