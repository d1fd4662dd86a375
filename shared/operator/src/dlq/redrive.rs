//! `operator dlq redrive`: dead letters back to the queues they came from.

use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_sqs::Client;
use clap::Args;
use cli::StopFlag;
use tokio::time::{Interval, MissedTickBehavior};

use super::filter::Filter;
use super::list::warn;
use super::route::Route;
use super::run::Run;
use super::scan::Scan;
use super::summary::Coverage;
use super::target::Targets;
use crate::Outcome;
use crate::confirm::confirmed;
use crate::endpoint::{EndpointArgs, Service};
use crate::queue::{Queue, State};
use crate::table::TableArgs;

/// More messages per second than one run can send.
const MAX_RATE: i64 = 10_000;

#[derive(Args)]
pub(crate) struct RedriveArgs {
    /// The dead-letter queue's name, or its URL
    queue: String,
    /// Only messages that came from this queue
    #[arg(long, value_name = "QUEUE")]
    source: Option<String>,
    /// The queue to send to [default: the queue that each message came from]
    #[arg(long, value_name = "QUEUE")]
    to: Option<String>,
    /// Send to the queue of --to also what came from other queues
    #[arg(long, requires = "to")]
    force: bool,
    #[command(flatten)]
    filter: Filter,
    /// The function of messages that name none (SQS moved them), to delete their REJECTED records
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// At most this many messages per second, up to 10000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_RATE))]
    rate: Option<u32>,
    /// Run without confirmation
    #[arg(long)]
    yes: bool,
    /// Show what would be done, without changing anything
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

pub(crate) async fn run(args: RedriveArgs) -> Outcome {
    let sqs = args.endpoint.sqs().await?;
    let from = Queue::find(&sqs, &args.queue).await?;
    let state = from.state().await?;
    let targets = targets(&args, &sqs, &from, &state).await?;
    let ledger = args.table.ledger(&args.endpoint).await?;
    warn(&from, &state);
    let extent = args.filter.extent(state.visible);
    let question = format!("Redrive {extent} from {} to {}?", from.name(), targets.names());
    if !args.dry_run && !confirmed(&question, args.yes)? {
        return Err("nothing was changed".into());
    }
    let route = Route {
        from: &from,
        targets,
        ledger: &ledger,
        namespace: args.namespace.as_deref(),
    };
    redrive(&args, route).await
}

async fn targets<'a>(
    args: &RedriveArgs,
    sqs: &Service<Client>,
    from: &'a Queue,
    state: &State,
) -> Result<Targets<'a>, String> {
    let only = Queue::find_any(sqs, args.source.as_deref()).await?;
    let to = Queue::find_any(sqs, args.to.as_deref()).await?;
    Targets::new(
        from,
        state.has_redrive_policy,
        from.sources().await?,
        to,
        only,
        args.force,
    )
}

async fn redrive(args: &RedriveArgs, route: Route<'_>) -> Outcome {
    let from = route.from;
    // Read again: the confirmation may have taken a while.
    let state = from.state().await?;
    let stop = StopFlag::listen()?;
    let mut scan = Scan::new(from, &state, args.rate.map_or(Duration::ZERO, interval));
    let mut run = Run::new(route, &args.filter, args.dry_run, args.rate.map(pace), state.visible);
    let result = run.redrive_all(&mut scan, &stop).await;
    let coverage = Coverage {
        visible: state.visible,
        in_flight: state.in_flight,
        seen: scan.seen() as u64,
    };
    // Also after an error: other consumers wait for these messages.
    let released = scan.release().await;
    let success = run.finish(&coverage);
    result?;
    released?;
    Ok(match stop.requested() {
        Some(code) => code,
        None if success => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

/// The time between two messages.
fn interval(rate: u32) -> Duration {
    Duration::from_secs(1) / rate
}

fn pace(rate: u32) -> Interval {
    let mut pace = tokio::time::interval(interval(rate));
    // After a slow message, the next ones don't follow in a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}
