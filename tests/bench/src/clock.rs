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
    fn work_of_any_thread_is_cpu_time_of_its_process() {
        let id = std::process::id();
        let before = of_process(id).unwrap();
        let of_this_thread = || read(Path::new("/proc/thread-self/schedstat")).unwrap();
        let work = || {
            while of_this_thread() < Duration::from_millis(20) {}
            // While the thread exists.
            of_process(id).unwrap()
        };
        let after = std::thread::scope(|scope| scope.spawn(work).join()).unwrap();
        assert!(after >= before + Duration::from_millis(20), "{before:?} {after:?}");
    }

    #[test]
    fn a_process_has_had_memory() {
        assert!(peak_memory(std::process::id()).unwrap() > 1000);
        assert!(peak_memory(0).is_err());
    }
}
