//! The life of a process: how it starts, what phases it goes through, how it ends.

use std::{
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{Pid, kill_process_group};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, watch},
};

use super::{
    super::{
        child::{Output, follow_child},
        environment::{Surroundings, variables},
        function::Function,
        invocation::{Ending, Failure},
        observer::{Event, Observer},
    },
    Process,
};

/// Where a process is, as seen through the Runtime API.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// It has not requested an invocation yet.
    Starting,
    /// It requests an invocation.
    Polling,
    /// It was given one.
    Working,
    /// It is gone.
    Ended(Ending),
}

/// What may be sent to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGKILL: it ends at once.
    Kill,
    /// SIGSTOP: it does nothing until it is continued.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
}

/// Where a process belongs, as far as it needs to know.
pub(in crate::lambda) struct Site<'a> {
    /// `host:port` of the Runtime API.
    pub(in crate::lambda) address: &'a str,
    pub(in crate::lambda) region: &'a str,
    pub(in crate::lambda) observer: &'a Observer,
}

impl Process {
    /// Starts a process, which belongs to the caller's invocation. The child is to be given to [`Process::watch_over`].
    ///
    /// # Errors
    ///
    /// The program could not be started.
    pub(in crate::lambda) fn start(
        id: String,
        function: &Arc<Function>,
        site: &Site<'_>,
    ) -> Result<(Arc<Self>, Child), Failure> {
        let entrypoint = |error: &str| Failure::Entrypoint {
            command: function.command.join(" "),
            error: error.to_owned(),
        };
        let child = spawn(&id, function, site).map_err(|error| entrypoint(&error.to_string()))?;
        let pid = child.id().ok_or_else(|| entrypoint("it was gone at once"))?;
        let group = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| entrypoint("it has no usable ID"))?;
        let (outbox, inbox) = mpsc::unbounded_channel();
        let process = Arc::new(Self {
            id,
            function: Arc::clone(function),
            group,
            claimed: AtomicBool::new(true),
            retired: AtomicBool::new(false),
            phase: watch::Sender::new(Phase::Starting),
            current: Mutex::default(),
            init_error: Mutex::default(),
            outbox,
            inbox: tokio::sync::Mutex::new(inbox),
            logs: Arc::default(),
            observer: site.observer.clone(),
        });
        let (function, process_id) = process.names();
        process.report(Event::ProcessStarted {
            function,
            process: process_id,
            pid,
        });
        Ok((process, child))
    }

    /// Reads what the process writes until it has ended, and reports its end.
    pub(in crate::lambda) async fn watch_over(self: Arc<Self>, child: Child) {
        let (function, process) = self.names();
        let output = Output {
            function,
            process,
            logs: Arc::clone(&self.logs),
            observer: self.observer.clone(),
        };
        let exited = || {
            // No invocation may get a process that is only waited for.
            self.claimed.store(true, Ordering::Release);
            self.kill_group();
        };
        let ending = follow_child(child, &Arc::new(output), exited).await;
        let how = ending.reason.clone().unwrap_or_else(|| "in order".to_owned());
        self.phase.send_replace(Phase::Ended(ending));
        let (function, process) = self.names();
        self.report(Event::ProcessEnded { function, process, how });
    }

    /// Kills the process and what it started. Harmless if it is gone.
    pub(in crate::lambda) fn kill_group(&self) {
        self.signal(Signal::Kill);
    }

    /// Signals the process and what it started; returns whether it still runs.
    pub(in crate::lambda) fn signal(&self, signal: Signal) -> bool {
        let signal = match signal {
            Signal::Kill => rustix::process::Signal::KILL,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Continue => rustix::process::Signal::CONT,
        };
        // An error means that the group is empty.
        !matches!(*self.phase.borrow(), Phase::Ended(_)) && kill_process_group(self.group, signal).is_ok()
    }

    /// Waits until the process is gone.
    pub(in crate::lambda) async fn ended(&self) -> Ending {
        match self.wait_for(|phase| matches!(phase, Phase::Ended(_))).await {
            Phase::Ended(ending) => ending,
            _ => Ending::default(),
        }
    }

    pub(super) async fn polls(&self) -> Result<(), Ending> {
        match self
            .wait_for(|phase| matches!(phase, Phase::Polling | Phase::Ended(_)))
            .await
        {
            Phase::Ended(ending) => Err(ending),
            _ => Ok(()),
        }
    }

    async fn wait_for(&self, condition: impl Fn(&Phase) -> bool) -> Phase {
        let mut phase = self.phase.subscribe();
        // It can't fail: the sender lives as long as this process.
        phase
            .wait_for(condition)
            .await
            .map_or(Phase::Ended(Ending::default()), |phase| phase.clone())
    }

    /// Moves on, except from the end.
    pub(super) fn step(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let alive = !matches!(phase, Phase::Ended(_));
            if alive {
                *phase = to;
            }
            alive
        });
    }
}

fn spawn(id: &str, function: &Function, site: &Site<'_>) -> std::io::Result<Child> {
    let Some((program, arguments)) = function.command.split_first() else {
        return Err(std::io::Error::other("the function has no command"));
    };
    // Lambda states host and port only. With a path, Rust's runtime takes it as a URL, which needs its scheme; `cargo lambda`
    // relies on that too.
    let runtime_api = format!("http://{}/_lambda/{id}", site.address);
    let surroundings = Surroundings {
        runtime_api,
        region: site.region,
        process: id,
    };
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables(function, &surroundings))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own group: Ctrl-C in the terminal goes to the stack alone, which then ends the group as a whole.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}
