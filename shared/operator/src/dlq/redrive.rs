//! `operator dlq redrive`: dead letters go back to where they came from.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use tokio::time::{Interval, MissedTickBehavior};

use super::letter::DeadLetter;
use super::list::warn;
use super::queue::{Queue, State};
use super::reading::Reading;
use super::send::{Cleared, Trouble, Way};
use crate::confirm::confirmed;
use crate::endpoint::EndpointArgs;
use crate::record::printable;
use crate::stop::Stop;
use crate::{Outcome, TableArgs, say};

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
    /// So many messages a second at most
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
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

/// Which messages.
#[derive(Args)]
struct Chosen {
    /// Only those on which this function gave up, named by its namespace
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// So many messages at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Chosen {
    fn has(&self, letter: &DeadLetter) -> bool {
        let function = self.function.as_deref();
        let reason = self.reason.as_deref();
        function.is_none_or(|function| letter.function() == Some(function))
            && reason.is_none_or(|reason| letter.reason().contains(reason))
    }
}

pub(crate) async fn run(args: RedriveArgs) -> Outcome {
    let client = aws_sdk_sqs::Client::new(&args.endpoint.config("SQS").await?);
    let from = Queue::find(&client, &args.queue).await?;
    let to = match &args.to {
        Some(name) => Queue::find(&client, name).await?,
        None => from.source().await?,
    };
    check(&from, &to)?;
    let ledger = args.table.ledger(&args.endpoint).await?;
    let state = from.state().await?;
    warn(&from, &state);
    let question = format!(
        "Send messages of {}, which has about {}, to {}?",
        from.name(),
        state.visible,
        to.name()
    );
    if !args.dry_run && !confirmed(&question, args.yes)? {
        return Err("nothing was changed".into());
    }
    let stop = Stop::listen()?;
    let way = Way {
        from: &from,
        to: &to,
        ledger: &ledger,
        namespace: args.namespace.as_deref(),
    };
    let mut reading = Reading::of(&from, &state, args.rate.map_or(Duration::ZERO, pause));
    let mut course = Course {
        way,
        chosen: &args.chosen,
        dry_run: args.dry_run,
        pace: args.rate.map(pace),
        bar: bar(&state, &args.chosen),
        stuck: HashSet::new(),
        sum: Sum::default(),
    };
    let done = course.all(&mut reading, &stop).await;
    course.bar.finish_and_clear();
    let seen = reading.seen() as u64;
    let given_back = reading.give_back().await;
    course.sum.say(&course.way, seen, args.dry_run);
    done?;
    given_back?;
    Ok(match stop.told() {
        Some(code) => code,
        None if course.sum.failed > 0 => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
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

fn pause(rate: NonZeroU32) -> Duration {
    Duration::from_secs(1) / rate.get()
}

fn pace(rate: NonZeroU32) -> Interval {
    let mut pace = tokio::time::interval(pause(rate));
    // What took longer is not made up for in a burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

/// On a terminal, a bar; elsewhere it is hidden, and a line is printed for each message.
fn bar(state: &State, chosen: &Chosen) -> ProgressBar {
    ProgressBar::new(chosen.limit.map_or(state.visible, |limit| limit.min(state.visible)))
}

/// Going through the queue.
struct Course<'a> {
    way: Way<'a>,
    chosen: &'a Chosen,
    dry_run: bool,
    pace: Option<Interval>,
    bar: ProgressBar,
    /// Message groups of a FIFO queue of which one is left: those behind it must not overtake it.
    stuck: HashSet<String>,
    sum: Sum,
}

#[derive(Default)]
struct Sum {
    redriven: u64,
    cleared: u64,
    /// Chosen, but still in the dead-letter queue.
    failed: u64,
    /// Redriven with a record that nobody could look for.
    unknown: u64,
}

impl Course<'_> {
    /// Until all are seen, enough are tried, or somebody says stop.
    async fn all(&mut self, reading: &mut Reading<'_>, stop: &Stop) -> Result<(), String> {
        let limit = self.chosen.limit.unwrap_or(u64::MAX);
        while stop.told().is_none() && self.sum.tried() < limit {
            let letters = reading.next().await?;
            if letters.is_empty() {
                break;
            }
            for letter in letters.iter().filter(|letter| self.chosen.has(letter)) {
                if let Some(pace) = &mut self.pace {
                    pace.tick().await;
                }
                if stop.told().is_some() || self.sum.tried() >= limit {
                    break;
                }
                if self.one(letter).await && !self.dry_run {
                    reading.gone(letter);
                }
            }
        }
        Ok(())
    }

    /// Whether it has gone its way.
    async fn one(&mut self, letter: &DeadLetter) -> bool {
        let group = letter.group.as_ref().filter(|_| self.way.from.is_fifo());
        let done = match group {
            Some(group) if self.stuck.contains(group) => Err(Trouble {
                why: "one before it in its message group is left".to_owned(),
                cleared: None,
            }),
            _ if self.dry_run => self.way.try_out(letter).await,
            _ => self.way.send_back(letter).await,
        };
        self.tell(letter, &done);
        self.sum.add(&done);
        if let (Err(_), Some(group)) = (&done, group) {
            self.stuck.insert(group.clone());
        }
        done.is_ok()
    }

    fn tell(&self, letter: &DeadLetter, done: &Result<Cleared, Trouble>) {
        let would = if self.dry_run { "would be " } else { "" };
        let line = match done {
            Ok(cleared) => {
                let cleared = match cleared {
                    Cleared::Yes => ", its REJECTED record cleared",
                    Cleared::NotNeeded => "",
                    Cleared::Unknown => ", its record not looked for",
                };
                format!(
                    "{would}redriven {} (key {}){cleared}",
                    letter.id,
                    printable(letter.key())
                )
            }
            Err(trouble) => format!("left {} (key {}): {}", letter.id, printable(letter.key()), trouble.why),
        };
        self.bar.inc(1);
        match self.bar.is_hidden() {
            true => say!("{line}"),
            // What went well is seen by the bar.
            false if done.is_err() || self.dry_run => self.bar.println(line),
            false => {}
        }
    }
}

impl Sum {
    fn tried(&self) -> u64 {
        self.redriven + self.failed
    }

    fn add(&mut self, done: &Result<Cleared, Trouble>) {
        let cleared = match done {
            Ok(cleared) => Some(*cleared),
            Err(trouble) => trouble.cleared,
        };
        match done {
            Ok(_) => self.redriven += 1,
            Err(_) => self.failed += 1,
        }
        self.cleared += u64::from(cleared == Some(Cleared::Yes));
        self.unknown += u64::from(cleared == Some(Cleared::Unknown));
    }

    fn say(&self, way: &Way<'_>, seen: u64, dry_run: bool) {
        let (from, to) = (way.from.name(), way.to.name());
        let Self {
            redriven,
            cleared,
            failed,
            unknown,
        } = self;
        let left = seen.saturating_sub(*redriven);
        let would = if dry_run { "would be " } else { "" };
        say!(
            "{from}: {redriven} {would}redriven to {to}, {cleared} records {would}cleared, {left} left, \
             {failed} of them failed"
        );
        if *unknown > 0 {
            say!(
                "{unknown} don't tell their function: if the ledger says REJECTED, they come back; \
                 --namespace names where to clear them"
            );
        }
    }
}
