//! `local up` as a process of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Failed;
use crate::memory::Memory;

const FUNCTIONS: [&str; 3] = ["place-order", "reserve-stock", "send-notification"];

/// A running stack. Its tables are in a file, so that its memory is its own.
pub(crate) struct Up {
    process: Child,
    endpoint: String,
    folder: PathBuf,
}

impl Up {
    pub(crate) async fn start(programs: &Path) -> Result<Self, Failed> {
        // In memory if possible: the disk is not what is measured.
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let folder = parent.join(format!("load-{}", std::process::id()));
        for function in FUNCTIONS {
            let program = programs.join(function).canonicalize();
            let program = program.map_err(|error| format!("{} in {}: {error}", function, programs.display()))?;
            fs::create_dir_all(folder.join(function))?;
            symlink(program, folder.join(function).join("bootstrap"))?;
        }
        let mut process = Command::new(programs.join("local"))
            .args(["up", "--port", "0", "--parameter", "MaximumConcurrency=4", "--binaries"])
            .arg(&folder)
            .arg("--data")
            .arg(folder.join("tables"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the stack has no output")?;
        let mut lines = BufReader::new(output).lines();
        let endpoint = loop {
            let line = lines.next_line().await?.ok_or("the stack did not start")?;
            if let Some(endpoint) = line.strip_prefix("The local stack is up: ") {
                break endpoint.to_owned();
            }
        };
        // It is read to its end, as a terminal does.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            process,
            endpoint,
            folder,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn memory(&self) -> Result<Memory, Failed> {
        Memory::of(self.process.id().ok_or("the stack has ended")?)
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failed> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).ok_or("the stack has ended")?;
        // It ends its functions' processes, and then itself.
        kill_process(id, Signal::TERM)?;
        self.process.wait().await?;
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}
