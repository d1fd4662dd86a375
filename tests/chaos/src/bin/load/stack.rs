//! `local up` as a process of its own, and its memory.

use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Failed;

const FUNCTIONS: [&str; 3] = ["place-order", "reserve-stock", "send-notification"];

/// The stack remembers the last 30,000 messages, and the transactions of ten minutes.
const REMEMBERED_KILOBYTES: u64 = 64 * 1024;

/// Growth beyond that which is more is a leak.
const BYTES_PER_MESSAGE: u64 = 128;

/// Of each function's process; an allocator keeps what a busy moment needed.
const FUNCTION_GROWTH_KILOBYTES: u64 = 16 * 1024;

/// A running stack. Its tables are in a file, so that its memory is its own.
pub(crate) struct Up {
    process: Child,
    endpoint: String,
    folder: PathBuf,
}

/// Resident memory, in kilobytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    stack: u64,
    functions: Vec<u64>,
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
        let stack = self.process.id().ok_or("the stack has ended")?;
        let mut memory = Memory::default();
        for process in fs::read_dir("/proc")? {
            // A process may end while this reads.
            let status = fs::read_to_string(process?.path().join("status")).unwrap_or_default();
            let number = |name: &str| status.lines().find_map(|line| number(line.strip_prefix(name)?));
            let resident = number("VmRSS:").unwrap_or_default();
            match (number("Pid:"), number("PPid:")) {
                (Some(id), _) if id == u64::from(stack) => memory.stack = resident,
                (_, Some(parent)) if parent == u64::from(stack) => memory.functions.push(resident),
                _ => {}
            }
        }
        Ok(memory)
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

fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

impl Memory {
    /// Of the stack since `early`, in kilobytes.
    pub(crate) fn growth(&self, early: &Self) -> u64 {
        self.stack.saturating_sub(early.stack)
    }

    pub(crate) fn is_flat(&self, early: &Self, messages: u64) -> bool {
        let largest = |memory: &Self| memory.functions.iter().copied().max().unwrap_or_default();
        self.growth(early) <= REMEMBERED_KILOBYTES + messages * BYTES_PER_MESSAGE / 1024
            && largest(self) <= largest(early) + FUNCTION_GROWTH_KILOBYTES
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, most) = (self.functions.len(), self.functions.iter().max());
        let most = most.copied().unwrap_or_default();
        write!(
            f,
            "stack {} KB, {count} functions' processes at most {most} KB",
            self.stack
        )
    }
}
