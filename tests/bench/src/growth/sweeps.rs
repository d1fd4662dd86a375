//! One thing that grows at a time, and what a message costs at each step.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use serde::Serialize;

use super::fill::fill;
use crate::Failed;
use crate::orders::{Order, fresh};
use crate::plot::{Line, Plot};
use crate::stack::{Program, Stack};
use crate::stretch::Cost;
use crate::whole::BATCH;

/// Of each request to the ledger while environments work side by side, so that they wait as on AWS.
const LATENCY: Duration = Duration::from_millis(5);

/// Messages of a step, in as many batches as that takes.
const MESSAGES: usize = 4000;

/// What a message costs at a step.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) step: u64,
    pub(super) cpu_us: f64,
    pub(super) p50_ms: f64,
    /// To the ledger, for each message.
    pub(super) requests: f64,
    pub(super) messages_a_second: f64,
}

/// All steps, of both modes.
#[derive(Serialize)]
pub(super) struct Sweep {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) x_label: &'static str,
    y_label: &'static str,
    /// What is plotted.
    #[serde(skip)]
    y: fn(&Point) -> f64,
    pub(super) lines: Vec<(String, Vec<Point>)>,
}

impl Sweep {
    pub(super) fn plot(&self) -> Plot {
        let line = |(name, points): &(String, Vec<Point>)| Line {
            name: name.clone(),
            values: points.iter().map(self.y).collect(),
        };
        let steps = self.lines.first().into_iter().flat_map(|(_, points)| points);
        Plot {
            title: self.title,
            x_label: self.x_label,
            y_label: self.y_label,
            steps: steps.map(|point| short(point.step)).collect(),
            lines: self.lines.iter().map(line).collect(),
        }
    }
}

/// `1000000` as `1,000,000`.
fn short(step: u64) -> String {
    let digits = step.to_string();
    let separated =
        digits.char_indices().map(
            |(place, digit)| match (digits.len() - place).is_multiple_of(3) && place > 0 {
                true => format!(",{digit}"),
                false => digit.to_string(),
            },
        );
    separated.collect()
}

pub(super) async fn batch_sizes(programs: &[Program]) -> Result<Sweep, Failed> {
    let mut lines = Vec::new();
    for program in programs {
        let (mut stack, mut next) = started(program).await?;
        let mut points = Vec::new();
        for size in [1, 3, 10, 30, 100, 300, 1000] {
            eprintln!("{}: batches of {size} ...", program.name);
            let batches: Vec<_> = (0..(MESSAGES / size).min(400))
                .map(|_| fresh(&mut next, size))
                .collect();
            points.push(point(&mut stack, size as u64, batches).await?);
        }
        stack.stop().await;
        lines.push((program.name.to_owned(), points));
    }
    Ok(Sweep {
        file: "batch-size",
        title: "CPU of a message by the size of its batch",
        x_label: "messages in a batch",
        y_label: "CPU of the function, µs per message",
        y: |point| point.cpu_us,
        lines,
    })
}

pub(super) async fn duplicates(programs: &[Program]) -> Result<Sweep, Failed> {
    let mut lines = Vec::new();
    for program in programs {
        let (mut stack, mut next) = started(program).await?;
        let mut points = Vec::new();
        for percent in [0, 25, 50, 75, 100] {
            eprintln!("{}: {percent} % duplicates ...", program.name);
            let batches: Vec<_> = (0..MESSAGES / BATCH)
                .map(|batch| mixed(&mut next, batch, percent))
                .collect();
            points.push(point(&mut stack, percent as u64, batches).await?);
        }
        stack.stop().await;
        lines.push((program.name.to_owned(), points));
    }
    Ok(Sweep {
        file: "duplicates",
        title: "CPU of a message by the share of duplicates",
        x_label: "duplicates, % of messages",
        y_label: "CPU of the function, µs per message",
        y: |point| point.cpu_us,
        lines,
    })
}

/// A batch of which this share was processed in earlier batches. A share of 2.5 messages is 2 in one batch, and 3 in the next.
fn mixed(next: &mut u64, batch: usize, percent: usize) -> Vec<Order> {
    let until = |batch: usize| batch * BATCH * percent / 100;
    let duplicates = until(batch + 1) - until(batch);
    let earlier = *next - duplicates as u64;
    let mut orders = fresh(next, BATCH - duplicates);
    orders.extend(crate::orders::again(earlier, duplicates));
    orders
}

pub(super) async fn concurrency(programs: &[Program]) -> Result<Sweep, Failed> {
    let mut lines = Vec::new();
    for program in programs {
        let mut points = Vec::new();
        for environments in [1, 2, 4, 8, 16, 32, 64] {
            eprintln!("{}: {environments} environments ...", program.name);
            points.push(side_by_side(program, environments).await?);
        }
        lines.push((program.name.to_owned(), points));
    }
    Ok(Sweep {
        file: "concurrency",
        title: "CPU of a message by concurrent environments",
        x_label: "environments of the function, each with one batch of 10 at a time",
        y_label: "CPU of all environments, µs per message",
        y: |point| point.cpu_us,
        lines,
    })
}

/// So many environments of a function, and as many senders, each of which waits for a batch before it sends the next.
async fn side_by_side(program: &Program, environments: u64) -> Result<Point, Failed> {
    let mut stack = Stack::start(program, LATENCY).await?;
    let mut nexts: Vec<_> = (0..environments).map(|sender| sender << 32).collect();
    // An environment may be ready for the next batch before the last is sent.
    while stack.environments() < environments {
        let batches: Vec<_> = nexts.iter_mut().map(|next| fresh(next, BATCH)).collect();
        try_join_all(batches.iter().map(|batch| stack.invoke(batch))).await?;
        stack.look()?;
    }
    let batches = (MESSAGES / BATCH).div_ceil(usize::try_from(environments)?).max(8);
    let (cpu, begun, requests) = (stack.cpu()?, Instant::now(), stack.requests());
    let function = &stack;
    let senders = nexts.iter_mut().map(|next| async move {
        let mut latencies = Vec::new();
        for _ in 0..batches {
            latencies.push(function.invoke(&fresh(next, BATCH)).await?);
        }
        Ok::<_, Failed>(latencies)
    });
    let latencies: Result<Vec<_>, _> = join_all(senders).await.into_iter().collect();
    let (taken, latencies) = (begun.elapsed(), latencies?.concat());
    let cpu = stack.cpu()?.saturating_sub(cpu);
    let requests = crate::stretch::since(&requests, &stack.requests());
    stack.stop().await;
    let cost = Cost::new(&latencies, latencies.len() * BATCH, cpu, requests);
    Ok(Point::new(environments, &cost, taken))
}

pub(super) async fn records(programs: &[Program], most: u64) -> Result<Sweep, Failed> {
    let sizes: BTreeSet<_> = [0, 1000, 10_000, 100_000, 1_000_000]
        .map(|size: u64| size.min(most))
        .into();
    let mut lines = Vec::new();
    for program in programs {
        let (mut stack, mut next) = started(program).await?;
        let (mut points, mut filled) = (Vec::new(), 0);
        for size in &sizes {
            fill(&stack.dynamodb, filled..*size)?;
            filled = *size;
            eprintln!("{}: {size} records ...", program.name);
            let batches: Vec<_> = (0..MESSAGES / BATCH).map(|_| fresh(&mut next, BATCH)).collect();
            points.push(point(&mut stack, *size, batches).await?);
        }
        stack.stop().await;
        lines.push((program.name.to_owned(), points));
    }
    Ok(Sweep {
        file: "records",
        title: "Time of a batch by records in the ledger",
        x_label: "records that are in the ledger before",
        y_label: "p50 of a batch of 10, ms",
        y: |point| point.p50_ms,
        lines,
    })
}

/// A process that is warm, and the number of the next order.
async fn started(program: &Program) -> Result<(Stack, u64), Failed> {
    let (mut stack, mut next) = (Stack::start(program, Duration::ZERO).await?, 0);
    stack.init().await?;
    for _ in 0..20 {
        stack.invoke(&fresh(&mut next, BATCH)).await?;
    }
    Ok((stack, next))
}

async fn point(stack: &mut Stack, step: u64, batches: Vec<Vec<Order>>) -> Result<Point, Failed> {
    let begun = Instant::now();
    let cost = Cost::of(stack, batches).await?;
    Ok(Point::new(step, &cost, begun.elapsed()))
}

impl Point {
    fn new(step: u64, cost: &Cost, taken: Duration) -> Self {
        Self {
            step,
            cpu_us: cost.cpu_us,
            p50_ms: cost.p50_ms,
            requests: cost.all_requests() * cost.batches as f64 / cost.messages.max(1) as f64,
            messages_a_second: cost.messages as f64 / taken.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_separators() {
        assert_eq!([0, 100, 1000, 1_000_000].map(short), ["0", "100", "1,000", "1,000,000"]);
    }

    #[test]
    fn a_share_of_duplicates_is_exact_over_batches() {
        for percent in [0, 25, 50, 75, 100] {
            let mut next = 100;
            let batches: Vec<_> = (0..4).map(|batch| mixed(&mut next, batch, percent)).collect();
            let orders: Vec<_> = batches.concat();
            assert_eq!(orders.len(), 4 * BATCH);
            assert_eq!(
                orders.iter().filter(|order| order.again).count(),
                4 * BATCH * percent / 100
            );
            let mut seen: BTreeSet<_> = (0..100).collect();
            for order in orders {
                assert_eq!(seen.insert(order.number), !order.again, "{order:?} of {percent} %");
            }
        }
    }
}
