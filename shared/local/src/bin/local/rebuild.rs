//! `local up --watch`: builds the functions again when their sources change.

use std::sync::Arc;

use emulator::lambda::Lambda;
use local::{Sources, Stack};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

/// Goes on until it is dropped; then cargo ends, too.
pub(crate) struct Rebuild {
    _task: Option<AbortOnDropHandle<()>>,
    lines: UnboundedReceiver<String>,
}

impl Rebuild {
    /// Nothing is watched.
    pub(crate) fn none() -> Self {
        let (_, lines) = unbounded_channel();
        Self { _task: None, lines }
    }

    /// Builds the stack's functions whenever these sources have changed since they were read.
    pub(crate) fn of(mut sources: Sources, stack: &Stack) -> Self {
        sources.accept_lock_file();
        let functions = stack.template().functions.iter();
        let functions = functions.map(|function| function.name.clone()).collect();
        let built = Built {
            functions,
            binaries: stack.binaries().to_owned(),
            lambda: Arc::clone(stack.lambda()),
            restart_workers: stack.workers().restart(),
        };
        let (sender, lines) = unbounded_channel();
        let task = tokio::spawn(rebuild(sources, built, sender));
        Self {
            _task: Some(AbortOnDropHandle::new(task)),
            lines,
        }
    }

    /// The next line to print; `None`: there will be none.
    pub(crate) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }
}

/// What is built, and what runs it.
struct Built<R> {
    functions: Vec<String>,
    binaries: Vec<String>,
    lambda: Arc<Lambda>,
    restart_workers: R,
}

async fn rebuild(mut sources: Sources, built: Built<impl Fn()>, lines: UnboundedSender<String>) {
    // The printer may have ended before; then this task does, too.
    let line = |text: String| {
        let _ = lines.send(text);
    };
    loop {
        sources.changed().await;
        line("sources changed: building the functions ...".to_owned());
        match sources.build(&built.binaries).await {
            Err(error) => line(format!("{error}; the functions run as they were built before")),
            Ok(()) => {
                line("the functions are built: new invocations run them, running ones end first".to_owned());
                (built.restart_workers)();
                built.functions.iter().for_each(|name| built.lambda.retire(name));
                built.lambda.start_each().await;
            }
        }
    }
}
