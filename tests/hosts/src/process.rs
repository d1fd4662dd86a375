//! A process of the handler.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::{Failed, until};

/// What a process logs before its address: one that is called, and a worker.
const LISTENING: [&str; 2] = ["messages are taken at http://", "health and metrics are at http://"];

/// Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// Where it listens, once that is known.
    pub(crate) address: Option<String>,
}

impl Process {
    pub(crate) fn start(program: &Path, environment: &[(&'static str, String)], log: PathBuf) -> Result<Self, Failed> {
        let output = File::create(&log)?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::null());
        command.stderr(output.try_clone()?).stdout(output).kill_on_drop(true);
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Self {
            child,
            log,
            address: None,
        })
    }

    /// Whether it listens already: its address.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(crate) fn listens(&mut self) -> Result<Option<&str>, Failed> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("it ended by itself: {status}, see {}", self.log.display()).into());
        }
        let log = fs::read_to_string(&self.log)?;
        let rest = LISTENING.iter().find_map(|before| Some(log.split_once(before)?.1));
        let address = rest.and_then(|rest| rest.split_once('/'));
        self.address = address.map(|(address, _)| address.to_owned());
        Ok(self.address.as_deref())
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) -> Result<(), Failed> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, until it has ended. `waiting` is called again and again meanwhile.
    pub(crate) async fn stop(mut self, waiting: impl Fn()) -> Result<(), Failed> {
        let id = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        kill_process(id.ok_or("it ended by itself")?, Signal::TERM)?;
        let mut status = None;
        until("the process has ended", async || {
            waiting();
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })
        .await?;
        match status.is_some_and(|status| status.success()) {
            true => Ok(()),
            false => Err(format!("it stopped with {status:?}, see {}", self.log.display()).into()),
        }
    }
}
