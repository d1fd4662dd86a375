//! A server process: where its program is, how it starts and ends.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::group::Group;

/// RabbitMQ takes some ten seconds on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

const STOPS_WITHIN: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(100);

/// A server is not installed, or does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program is missing.
    #[error("{program} is not installed: `apt-get install {package}` installs it; or put it into PATH")]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// Root may not run PostgreSQL, and there is no other user for it.
    #[error("PostgreSQL refuses to run as root, and there is no user postgres: run this as another user")]
    NoUser,
    /// The folder of the servers' files can't be used.
    #[error("the servers' files can't be in {}: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The operating system's error.
        why: std::io::Error,
    },
    /// A program can't be run, or ended.
    #[error("{program} failed: {why}")]
    Failed {
        /// The program.
        program: &'static str,
        /// Why, with the end of what it wrote.
        why: String,
    },
}

pub(super) fn failed(program: &'static str, why: impl ToString) -> ServerError {
    let why = why.to_string();
    ServerError::Failed { program, why }
}

/// Checks that both servers are installed: before minutes of building.
pub(super) fn check_installed() -> Result<(), ServerError> {
    super::broker::program()?;
    super::database::folder()?;
    Ok(())
}

/// The folders in which programs are searched.
pub(super) fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// The first of these folders that has a program.
pub(super) fn found(folders: impl IntoIterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders.into_iter().find(|folder| folder.join(program).is_file())
}

/// Ports of 127.0.0.1 that are free now, each another.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], ServerError> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(|why| failed("a server", format!("no port of 127.0.0.1 is free: {why}")))?;
        *port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
        held.push(listener);
    }
    Ok(ports)
}

/// A running server. Dropped, it is killed with what it started.
pub(super) struct Server {
    name: &'static str,
    child: Child,
    group: Option<Group>,
    log: PathBuf,
}

impl Server {
    /// Starts a command whose output goes to a file.
    pub(super) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self, ServerError> {
        let output = File::create(log).and_then(|file| Ok((file.try_clone()?, file)));
        let (output, errors) = output.map_err(|why| failed(name, why))?;
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Its own group: Ctrl-C in the terminal is not for it.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|why| failed(name, why))?;
        Ok(Self {
            name,
            group: Some(Group::of(&child, Signal::KILL)),
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until the probe succeeds; an error if the server ends before, or takes too long.
    pub(super) async fn ready(&mut self, probe: impl AsyncFn() -> bool) -> Result<(), ServerError> {
        let deadline = Instant::now() + STARTS_WITHIN;
        while !probe().await {
            let why = match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => {
                    sleep(PAUSE).await;
                    continue;
                }
                Ok(None) => format!("it does not answer within {} s", STARTS_WITHIN.as_secs()),
                Ok(Some(status)) => format!("it ended with {status}"),
                Err(error) => error.to_string(),
            };
            return Err(failed(self.name, why + &last_lines(&self.log)));
        }
        Ok(())
    }

    /// Sends a signal to the process itself.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = &self.group {
            group.signal_leader(signal);
        }
    }

    /// Waits until it has ended after a signal; kills it if it takes too long.
    pub(super) async fn ended(&mut self) {
        if timeout(STOPS_WITHIN, self.child.wait()).await.is_ok()
            && let Some(group) = self.group.take()
        {
            group.dismiss();
        }
        // Otherwise, dropping the group kills it.
        self.group = None;
    }
}

/// The end of what a program wrote, in one line.
pub(super) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    match last {
        [] => String::new(),
        lines => format!("; it wrote: {}", cli::printable(&lines.join(" / "))),
    }
}

/// Runs a command to its end.
pub(super) async fn run(name: &'static str, mut command: Command) -> Result<(), ServerError> {
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    let output = command.output().await.map_err(|why| failed(name, why))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let errors = String::from_utf8_lossy(&output.stderr);
            let errors = cli::printable(errors.trim());
            Err(failed(name, format!("it ended with {}: {errors}", output.status)))
        }
    }
}
