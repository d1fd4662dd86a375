//! A child process from its start to its end: its output, line by line, and how it ended.

use std::{sync::Arc, time::Duration};

use tokio::{io::AsyncRead, process::Child, task::JoinSet, time::timeout};

use super::{
    invocation::Ending,
    logs::{Logs, Stream, follow},
    observer::Observer,
};

/// How long the rest of an ended process's output is waited for. Its whole group is dead by then, so only
/// a descendant that left the group can hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where the output of a process goes, and whose it is.
pub(super) struct Output {
    pub(super) function: String,
    pub(super) process: String,
    pub(super) logs: Arc<Logs>,
    pub(super) observer: Observer,
}

impl Output {
    async fn follow(self: Arc<Self>, output: impl AsyncRead + Unpin, stream: Stream) {
        let names = (self.function.as_str(), self.process.as_str());
        follow(output, stream, &self.logs, &self.observer, names).await;
    }
}

/// Reads what a process writes until it has ended. `exited` is called before the rest of its output is read: it ends what the
/// process started.
pub(super) async fn follow_child(mut child: Child, to: &Arc<Output>, exited: impl FnOnce()) -> Ending {
    let mut readers = JoinSet::new();
    if let Some(output) = child.stdout.take() {
        readers.spawn(Arc::clone(to).follow(output, Stream::Output));
    }
    if let Some(output) = child.stderr.take() {
        readers.spawn(Arc::clone(to).follow(output, Stream::Error));
    }
    let status = child.wait().await.ok();
    exited();
    let _ = timeout(LAST_WORDS, readers.join_all()).await;
    Ending::new(status, to.logs.last_error_lines())
}

/// Follows a process that is not Lambda's, such as a worker, until it has ended. Each line on its piped outputs is an
/// [`Event::Log`](super::Event::Log) of this function and process. `exited` is called before the last lines are read: it ends what
/// the process started.
///
/// Returns how it ended, such as `exit status 1; its last words: TABLE is not set`.
pub async fn run_child(
    child: Child,
    (function, process): (&str, &str),
    observer: &Observer,
    exited: impl FnOnce(),
) -> String {
    let output = Output {
        function: function.to_owned(),
        process: process.to_owned(),
        logs: Arc::default(),
        observer: observer.clone(),
    };
    let Ending { reason, last_line } = follow_child(child, &Arc::new(output), exited).await;
    let last_line = last_line.map(|line| format!("; its last words: {line}"));
    reason.unwrap_or_else(|| "exit status 0".to_owned()) + &last_line.unwrap_or_default()
}
