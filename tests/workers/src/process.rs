//! One worker process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::Failed;

/// A process. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    id: Pid,
    /// Distinguishes it from those before it in its place.
    pub(crate) instance: usize,
}

impl Process {
    /// Starts a program with these variables and no others. What it prints is in `log`.
    pub(crate) fn start(
        program: &Path,
        environment: &BTreeMap<&str, String>,
        log: &Path,
        instance: usize,
    ) -> Result<Self, Failed> {
        let output = File::create(log)?;
        let errors = output.try_clone()?;
        let mut command = Command::new(program);
        command.env_clear().envs(environment);
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true);
        let child = command.spawn();
        let child = child.map_err(|error| format!("{} can't be run: {error}", program.display()))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or("the process ended at once")?;
        Ok(Self { child, id, instance })
    }

    /// Sends a signal. One that has ended by itself is an error, because nothing here should end by itself.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), Failed> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("worker process {} ended by itself: {status}", self.instance).into());
        }
        Ok(kill_process(self.id, signal)?)
    }

    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Failed> {
        Ok(self.child.wait().await?)
    }

    pub(crate) async fn kill(mut self) -> Result<(), Failed> {
        self.signal(Signal::KILL)?;
        self.ended().await?;
        Ok(())
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failed> {
        Usage::of(&self.id.as_raw_nonzero().to_string())
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time, in seconds.
    pub(crate) cpu: f64,
    /// Resident memory, in kilobytes.
    pub(crate) resident: u64,
}

/// The unit of times in `/proc/ID/stat`: Linux reports hundredths of a second to programs, on every machine
/// ([proc_pid_stat](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)).
const TICKS_A_SECOND: f64 = 100.0;

impl Usage {
    /// Of this process: its ID, or `self`.
    pub(crate) fn of(process: &str) -> Result<Self, Failed> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name before it may contain spaces.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let fields: Vec<_> = fields.split(' ').collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or("/proc/ID/stat has no times")?;
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(Self {
            cpu: (user + system) / TICKS_A_SECOND,
            resident: resident.ok_or("/proc/ID/status has no VmRSS")?,
        })
    }
}

/// How many children this process has: those that were not waited for, too.
pub(crate) fn children() -> Result<usize, Failed> {
    let own = std::process::id().to_string();
    let parent = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        line.is_some_and(|parent| parent.trim() == own)
    };
    // A process may end while this reads.
    let statuses = fs::read_dir("/proc")?
        .flatten()
        .map(|entry| fs::read_to_string(entry.path().join("status")));
    Ok(statuses.flatten().filter(|status| parent(status.clone())).count())
}
