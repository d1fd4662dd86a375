//! Whole processes of a function, from their start to their memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use crate::Failed;
use crate::clock::peak_memory;
use crate::orders::{again, fresh};
use crate::stack::{Program, Stack};
use crate::stretch::{Cost, quantile};

pub(crate) const BATCH: usize = 10;

/// Batches before those that count.
const WARM_UP: usize = 20;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) batches: usize,
    pub(crate) starts: usize,
}

/// What a program cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Whole {
    pub(crate) name: String,
    /// Of each request to the ledger.
    pub(crate) latency_ms: u64,
    /// From the start of a process to its first request for an invocation.
    pub(crate) init_ms: f64,
    /// From the start of a process to its first response.
    pub(crate) first_response_ms: f64,
    pub(crate) peak_memory_kb: u64,
    /// To the ledger.
    pub(crate) connections: u64,
    pub(crate) fresh: Cost,
    pub(crate) duplicate: Cost,
}

/// Size of a program, and of its zip with `zip -9`, in bytes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Size {
    pub(crate) name: String,
    pub(crate) binary: u64,
    /// `None` without the command `zip`.
    pub(crate) zip: Option<u64>,
}

impl Whole {
    /// One round.
    pub(crate) async fn of(program: &Program, latency: Duration, amount: Amount) -> Result<Self, Failed> {
        let (mut inits, mut firsts) = (Vec::new(), Vec::new());
        for _ in 1..amount.starts {
            let (stack, ..) = start(program, latency, &mut inits, &mut firsts).await?;
            stack.stop().await;
        }
        let (mut stack, mut next) = start(program, latency, &mut inits, &mut firsts).await?;
        for _ in 0..WARM_UP {
            stack.invoke(&fresh(&mut next, BATCH)).await?;
        }
        let counted = next;
        let batches = (0..amount.batches).map(|_| fresh(&mut next, BATCH));
        let fresh = Cost::of(&mut stack, batches).await?;
        let starts = (counted..).step_by(BATCH).take(amount.batches.div_ceil(2));
        let duplicate = Cost::of(&mut stack, starts.map(|from| again(from, BATCH))).await?;
        let (peak_memory_kb, connections) = (peak_memory(stack.pid()?)?, stack.connections());
        stack.stop().await;
        Ok(Self {
            name: program.name.to_owned(),
            latency_ms: u64::try_from(latency.as_millis())?,
            init_ms: quantile(&inits, 0.5),
            first_response_ms: quantile(&firsts, 0.5),
            peak_memory_kb,
            connections,
            fresh,
            duplicate,
        })
    }

    /// The median of each figure over rounds.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| quantile(&rounds.iter().map(figure).collect::<Vec<_>>(), 0.5);
        let costs = |cost: fn(&Self) -> &Cost| Cost::median(&rounds.iter().map(cost).cloned().collect::<Vec<_>>());
        Some(Self {
            init_ms: of(|whole| whole.init_ms),
            first_response_ms: of(|whole| whole.first_response_ms),
            peak_memory_kb: of(|whole| whole.peak_memory_kb as f64) as u64,
            fresh: costs(|whole| &whole.fresh)?,
            duplicate: costs(|whole| &whole.duplicate)?,
            ..rounds.last()?.clone()
        })
    }
}

/// A process that has answered its first batch, and the number of the next order.
async fn start(
    program: &Program,
    latency: Duration,
    inits: &mut Vec<f64>,
    firsts: &mut Vec<f64>,
) -> Result<(Stack, u64), Failed> {
    let mut next = 0;
    let mut stack = Stack::start(program, latency).await?;
    let init = stack.init().await?;
    let first = stack.invoke(&fresh(&mut next, BATCH)).await?;
    inits.push(init.as_secs_f64() * 1e3);
    firsts.push((init + first).as_secs_f64() * 1e3);
    Ok((stack, next))
}

impl Size {
    pub(crate) fn of(name: &str, program: &Path) -> Result<Self, Failed> {
        Ok(Self {
            name: name.to_owned(),
            binary: program.metadata()?.len(),
            zip: zipped(program),
        })
    }
}

/// What `zip` makes of it, as of a function that is deployed.
fn zipped(program: &Path) -> Option<u64> {
    let output = Command::new("zip")
        .args(["-9", "-q", "-j", "-"])
        .arg(program)
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| u64::try_from(output.stdout.len()).ok())
        .flatten()
}
