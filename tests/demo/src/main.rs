//! The demo: sample messages through the real functions, under faults, and whether every promise held.

mod cases;
mod check;
mod report;
mod run;
mod sent;
mod snapshot;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use cli::{Stop, say};
use emulator::lambda::Event;
use local::watch::{LogLines, Watch};
use local::{Options, Stack};
use sam::{Settings, Template};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::run::Run;

/// Send sample messages through the real functions, inject faults, check what is promised
///
/// It takes some 15 seconds after the build. Exit status 0 only if every promise held.
#[derive(Parser)]
#[command(name = "demo", version, after_help = EXIT_STATUS)]
struct Cli {
    /// The SAM template that names what runs
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
}

const EXIT_STATUS: &str = "\
Exit status: 0 all held, 1 not, or something is wrong, 2 wrong usage, 130 interrupted by Ctrl-C (143 by SIGTERM).";

/// A visibility timeout short enough to see a redelivery, and longer than a lease; the six times that AWS recommends are for
/// throttled batches, and there are none here. Otherwise enough time and receives for a busy machine: work whose time is up
/// after its effect, and before it is recorded, has to repeat it.
const PARAMETERS: [(&str, &str); 5] = [
    ("FunctionTimeout", "10"),
    ("RequestTimeout", "10"),
    ("VisibilityTimeout", "12"),
    ("LongestRetryDelay", "2"),
    ("MaxReceiveCount", "10"),
];

/// Much longer than three visibility timeouts: what is not settled by then never will be.
const PATIENCE: Duration = Duration::from_secs(120);

/// After so long without a line a reader needs one.
const SILENCE: Duration = Duration::from_secs(2);

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    match demo(Cli::parse().template).await {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<_> = cli::causes(&*error).map(ToString::to_string).collect();
            eprintln!("error: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn demo(template: PathBuf) -> Outcome {
    let mut stop = Stop::listen()?;
    let options = Options {
        parameters: PARAMETERS
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::new(template)
    };
    // An error in it is reported before the minutes that building takes.
    Template::read(&options.template, &settings(&options))?;
    say!("Building the functions ...");
    let (observer, events) = mpsc::unbounded_channel();
    let events_directory = options.template.with_file_name("events");
    let play = async {
        let stack = Stack::start(options, observer).await?;
        say!("The local stack is up: {}. Events:\n", stack.endpoint());
        let held = play(&stack, &events_directory, events).await;
        stack.shutdown().await;
        Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    };
    tokio::select! {
        outcome = play => outcome,
        code = stop.requested() => Ok(code),
    }
}

/// To read the template before there is a stack: the URL of its receiver does not matter yet.
fn settings(options: &Options) -> Settings {
    Settings {
        parameters: options.parameters.clone(),
        urls: Some("http://127.0.0.1".to_owned()),
        ..Settings::default()
    }
}

/// Whether every promise held.
async fn play(
    stack: &Stack,
    samples: &Path,
    mut events: UnboundedReceiver<Event>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let started = Instant::now();
    let say_at = |line: String| say!("{:5.1} s  {line}", started.elapsed().as_secs_f32());
    let mut run = Run::new(stack, samples)?;
    let mut watch = Watch::new(LogLines::Warnings);
    run.send().await?;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut silent_since = Instant::now();
    let mut settled_at = None;
    while started.elapsed() < PATIENCE {
        if run.is_settled() {
            let since = settled_at.get_or_insert_with(Instant::now);
            if run.is_counted() || since.elapsed() > SILENCE {
                break;
            }
        }
        tokio::select! {
            Some(event) = events.recv() => {
                run.note(&event);
                if let Some(line) = watch.line(&event) {
                    say_at(line);
                    silent_since = Instant::now();
                }
            }
            _ = tick.tick() => {}
        }
        if silent_since.elapsed() > SILENCE {
            say_at(run.waiting());
            silent_since = Instant::now();
        }
    }
    let snapshot = run.snapshot();
    let promises = check::promises(&snapshot);
    say!(
        "\n{}\n{}",
        report::table(&snapshot),
        report::verdict(&promises, started.elapsed())
    );
    Ok(promises.iter().all(|promise| promise.held))
}
