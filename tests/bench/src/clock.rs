//! CPU time and memory of processes and threads, as Linux counts them.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::Duration;

/// User and system time of all threads of a process, in nanoseconds: the sum of what the scheduler counts for each, of which the
/// process's CPU clock is the sum, too. `/proc/PID/stat` has it in hundredths of a second. A thread that runs right now is
/// counted up to its last tick, so the process should be waiting.
pub(crate) fn of_process(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += read(&task?.path().join("schedstat"))?;
    }
    Ok(sum)
}

fn read(path: &Path) -> Result<Duration> {
    let text = fs::read_to_string(path)?;
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    let unreadable = || Error::new(ErrorKind::InvalidData, format!("{}: {text:?}", path.display()));
    nanoseconds.map(Duration::from_nanos).ok_or_else(unreadable)
}

/// The most memory that a process had so far, in kilobytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("no VmHWM of process {pid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_has_cpu_time() {
        let work = ["-c", "while :; do :; done"];
        let mut child = std::process::Command::new("sh").args(work).spawn().unwrap();
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        let mut time = Duration::ZERO;
        while time < Duration::from_millis(20) && std::time::Instant::now() < patience {
            time = of_process(child.id()).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(time >= Duration::from_millis(20), "{time:?}");
        assert!(of_process(child.id()).is_err());
    }

    #[test]
    fn a_process_has_had_memory() {
        assert!(peak_memory(std::process::id()).unwrap() > 1000);
        assert!(peak_memory(0).is_err());
    }
}
