//! `operator dlq redrive`: dead letters go back to where they came from.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cli::StopFlag;
use tokio::time::{Interval, MissedTickBehavior};

use super::chosen::Chosen;
use super::course::Course;
use super::list::warn;
use super::queue::Queue;
use super::reading::Reading;
use super::send::Way;
use super::sum::Extent;
use crate::Outcome;
use crate::confirm::confirmed;
use crate::endpoint::EndpointArgs;
use crate::table::TableArgs;

/// More messages a second than one run sends.
const FASTEST: i64 = 10_000;

#[derive(Args)]
pub(crate) struct RedriveArgs {
    /// The dead-letter queue's name, or its URL
    queue: String,
    /// The queue to send to [default: the one whose dead-letter queue it is]
    #[arg(long, value_name = "QUEUE")]
    to: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// The function of messages that don't tell it, as those that SQS moved, to clear their records
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// So many messages a second at most, up to 10000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=FASTEST))]
    rate: Option<u32>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

pub(crate) async fn run(args: RedriveArgs) -> Outcome {
    let (from, to) = ends(&args).await?;
    let ledger = args.table.ledger(&args.endpoint).await?;
    let state = from.state().await?;
    warn(&from, &state);
    let (name, there) = (from.name(), state.visible);
    let question = format!("Send messages of {name}, which has about {there}, to {}?", to.name());
    if !args.dry_run && !confirmed(&question, args.yes)? {
        return Err("nothing was changed".into());
    }
    // A person takes time.
    let state = from.state().await?;
    let stop = StopFlag::listen()?;
    let way = Way {
        from: &from,
        to: &to,
        ledger: &ledger,
        table: &args.table.name,
        namespace: args.namespace.as_deref(),
    };
    let mut reading = Reading::of(&from, &state, args.rate.map_or(Duration::ZERO, pause));
    let mut course = Course::new(way, &args.chosen, args.dry_run, args.rate.map(pace), state.visible);
    let done = course.all(&mut reading, &stop).await;
    let extent = Extent {
        there: state.visible,
        held_by_others: state.in_flight,
        seen: reading.seen() as u64,
    };
    let given_back = reading.give_back().await;
    let is_whole = course.end(&extent);
    done?;
    given_back?;
    Ok(match stop.requested() {
        Some(code) => code,
        None if is_whole => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

/// Where messages come from, and where they go.
async fn ends(args: &RedriveArgs) -> Result<(Queue, Queue), String> {
    let sqs = args.endpoint.sqs().await?;
    let from = Queue::find(&sqs, &args.queue).await?;
    let to = match &args.to {
        Some(name) => Queue::find(&sqs, name).await?,
        None => from.source().await?,
    };
    check(&from, &to)?;
    Ok((from, to))
}

fn check(from: &Queue, to: &Queue) -> Result<(), String> {
    if from.url == to.url {
        return Err(format!(
            "{} is where the messages are: name another with --to",
            to.name()
        ));
    }
    if from.is_fifo() != to.is_fifo() {
        let (from, to) = (from.name(), to.name());
        return Err(format!(
            "of {from} and {to} only one is a FIFO queue: messages can't go from one to the other"
        ));
    }
    Ok(())
}

fn pause(rate: u32) -> Duration {
    Duration::from_secs(1) / rate
}

fn pace(rate: u32) -> Interval {
    let mut pace = tokio::time::interval(pause(rate));
    // What took longer is not made up for in a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}
