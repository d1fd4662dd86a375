//! One process under callgrind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Failed;
use crate::orders::{again, fresh};
use crate::stack::{Program, Stack};
use crate::whole::BATCH;

/// What a process did from its start to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) instructions: u64,
    /// To the ledger, as `connections`.
    pub(super) requests: u64,
    pub(super) connections: u64,
}

/// Of a process that gets so many batches of fresh messages, and then so many of duplicates. Those that run at the same time have
/// different numbers.
pub(super) async fn count(
    program: &Program,
    number: usize,
    fresh_batches: usize,
    duplicates: usize,
) -> Result<Counted, Failed> {
    let run = format!(
        "callgrind-{}-{number}-{fresh_batches}-{duplicates}.out",
        std::process::id()
    );
    let file = std::env::temp_dir().join(run);
    let mut stack = Stack::start(&under_callgrind(program, &file), Duration::ZERO).await?;
    stack.init().await?;
    let mut next = 0;
    for _ in 0..fresh_batches {
        stack.invoke(&fresh(&mut next, BATCH)).await?;
    }
    for from in (0..).step_by(BATCH).take(duplicates) {
        stack.invoke(&again(from, BATCH)).await?;
    }
    eprintln!("  {fresh_batches} batches, then {duplicates} of duplicates");
    stack.look()?;
    let pid = i32::try_from(stack.pid()?).ok().and_then(Pid::from_raw);
    // Callgrind writes its file when the process ends.
    kill_process(pid.ok_or("no process ID")?, Signal::TERM)?;
    stack.ended().await;
    let (requests, connections) = (stack.requests().values().sum(), stack.connections());
    stack.stop().await;
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    Ok(Counted {
        instructions: total(&text).ok_or_else(|| format!("callgrind has counted nothing: {text:.200}"))?,
        requests,
        connections,
    })
}

fn under_callgrind(program: &Program, file: &Path) -> Program {
    let valgrind = ["/usr/bin/valgrind", "--quiet", "--tool=callgrind"].map(str::to_owned);
    let out = format!("--callgrind-out-file={}", file.display());
    Program {
        under: valgrind.into_iter().chain([out]).collect(),
        ..program.clone()
    }
}

/// The sum of a file that callgrind wrote: of its only event, instructions that were read.
fn total(text: &str) -> Option<u64> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if value("events:")? != "Ir" {
        return None;
    }
    value("totals:").or_else(|| value("summary:"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn total_is_that_of_the_file() {
        let file =
            "# callgrind format\nversion: 1\nevents: Ir\nsummary: 120\n\nfn=(1) main\n3 120\n\ntotals: 12345678\n";
        assert_eq!(total(file), Some(12_345_678));
        assert_eq!(total(&file.replace("totals", "other")), Some(120));
    }

    #[test]
    fn other_events_are_not_instructions() {
        assert_eq!(total("events: Ir Dr\ntotals: 12 3\n"), None);
        assert_eq!(total("events: Cy\ntotals: 12\n"), None);
        assert_eq!(total(""), None);
    }
}
