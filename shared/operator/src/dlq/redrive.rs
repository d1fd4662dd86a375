//! `operator dlq redrive`: dead letters go back to where they came from.

use std::collections::HashSet;
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
use super::sent::Sent;
use super::sum::{Extent, Sum};
use crate::confirm::confirmed;
use crate::endpoint::EndpointArgs;
use crate::record::printable;
use crate::stop::Stop;
use crate::table::TableArgs;
use crate::{Outcome, say};

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
    /// Whether what is chosen may lie behind what is not.
    fn picks(&self) -> bool {
        self.function.is_some() || self.reason.is_some()
    }

    /// How many at most.
    fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    fn has(&self, letter: &DeadLetter) -> bool {
        let function = self.function.as_deref();
        let reason = self.reason.as_deref();
        function.is_none_or(|function| letter.function() == Some(function))
            && reason.is_none_or(|reason| letter.reason().contains(reason))
    }
}

pub(crate) async fn run(args: RedriveArgs) -> Outcome {
    let sqs = args.endpoint.sqs().await?;
    let from = Queue::find(&sqs, &args.queue).await?;
    let to = match &args.to {
        Some(name) => Queue::find(&sqs, name).await?,
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
        sent: Sent::default(),
        sum: Sum::default(),
    };
    let done = course.all(&mut reading, &stop).await;
    course.bar.finish_and_clear();
    let extent = Extent {
        there: state.visible,
        seen: reading.seen() as u64,
    };
    let given_back = reading.give_back().await;
    course.sum.say(&course.way, &extent, args.dry_run);
    done?;
    given_back?;
    Ok(match stop.told() {
        Some(code) => code,
        None if course.is_whole(&extent) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
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

fn pause(rate: u32) -> Duration {
    Duration::from_secs(1) / rate
}

fn pace(rate: u32) -> Interval {
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
    sent: Sent,
    sum: Sum,
}

impl Course<'_> {
    /// Until all are seen, enough are tried, or somebody says stop.
    async fn all(&mut self, reading: &mut Reading<'_>, stop: &Stop) -> Result<(), String> {
        let limit = self.chosen.limit();
        while stop.told().is_none() && self.sum.tried() < limit {
            let letters = reading.next().await?;
            if letters.is_empty() {
                break;
            }
            let chosen = self.chosen;
            for letter in letters.iter().filter(|letter| chosen.has(letter)) {
                if self.sent.has(letter) {
                    self.came_back(letter);
                    continue;
                }
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
        let group = self.group(letter);
        let done = match group {
            Some(group) if self.stuck.contains(&group) => Err(Trouble {
                why: "one before it in its message group is left".to_owned(),
                cleared: None,
            }),
            _ if self.dry_run => self.way.try_out(letter, &mut self.sent).await,
            _ => self.way.send_back(letter, &mut self.sent).await,
        };
        self.tell(letter, &done);
        self.sum.add(&done);
        if done.is_err() {
            self.stuck.extend(self.group(letter));
        }
        done.is_ok()
    }

    /// What this run has sent already is left, whatever has become of it.
    fn came_back(&mut self, letter: &DeadLetter) {
        self.sum.came_back += 1;
        self.stuck.extend(self.group(letter));
        let key = printable(letter.key());
        self.print(
            &format!("left {} (key {key}): redriven once in this run", letter.id),
            true,
        );
    }

    /// The group whose order is to be kept.
    fn group(&self, letter: &DeadLetter) -> Option<String> {
        letter.group.clone().filter(|_| self.way.from.is_fifo())
    }

    /// Nothing that was chosen is left, nor may be where it could not be seen.
    fn is_whole(&self, extent: &Extent) -> bool {
        let all = !self.way.from.is_fifo() || !self.chosen.picks() || self.sum.tried() >= self.chosen.limit();
        self.sum.failed == 0 && self.sum.came_back == 0 && (all || self.sum.unseen(extent) == 0)
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
        self.print(&line, done.is_err() || self.dry_run);
    }

    /// What went well is seen by the bar, if there is one.
    fn print(&self, line: &str, even_beside_the_bar: bool) {
        match self.bar.is_hidden() {
            true => say!("{line}"),
            false if even_beside_the_bar => self.bar.println(line),
            false => {}
        }
    }
}
