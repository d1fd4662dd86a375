//! `local demo`: the whole system on real messages, with life made hard for it.

mod cast;
mod check;
mod report;
mod scene;
mod sent;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use local::lambda::Event;
use local::template::{Settings, Template};
use local::{Options, Stack};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use self::stage::Stage;
use crate::stop::Stop;
use crate::{Outcome, say, watch};

/// Hidden for so short a time that a redelivery is seen, and for longer than a lease lasts; the six times that AWS recommends
/// are for throttled batches, of which there are none here. Else time and receives enough for a machine that is busy with
/// something else: work whose time is up after its effect, and before it is recorded, has to repeat it.
const PARAMETERS: [(&str, &str); 5] = [
    ("FunctionTimeout", "10"),
    ("RequestTimeout", "10"),
    ("VisibilityTimeout", "12"),
    ("LongestRetryDelay", "2"),
    ("MaxReceiveCount", "10"),
];

/// Much longer than three visibility timeouts: whatever is not settled by then never will be.
const PATIENCE: Duration = Duration::from_secs(120);

/// After so long without a line a reader wonders.
const SILENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run(template: PathBuf, stop: &mut Stop) -> Outcome {
    let options = Options {
        parameters: PARAMETERS
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::new(template)
    };
    // What is wrong with it is told before the minutes that building takes.
    Template::read(&options.template, &settings(&options))?;
    say!("Building the functions ...");
    let (observer, events) = mpsc::unbounded_channel();
    let events_directory = options.template.with_file_name("events");
    let play = async {
        let stack = Stack::start(options, observer).await?;
        say!("The local stack is up: {}. What happens:\n", stack.endpoint());
        let held = play(&stack, &events_directory, events).await;
        stack.shutdown().await;
        Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    };
    tokio::select! {
        outcome = play => outcome,
        code = stop.told() => Ok(code),
    }
}

/// To read the template once, before there is a stack: where its receiver will be does not matter yet.
fn settings(options: &Options) -> Settings {
    Settings {
        parameters: options.parameters.clone(),
        fallbacks: [("NotificationUrl".to_owned(), "http://127.0.0.1".to_owned())].into(),
        ..Settings::default()
    }
}

/// Says whether every promise held.
async fn play(
    stack: &Stack,
    samples: &std::path::Path,
    mut events: UnboundedReceiver<Event>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let started = Instant::now();
    let say_at = |line: String| say!("{:5.1} s  {line}", started.elapsed().as_secs_f32());
    let mut stage = Stage::set(stack, samples)?;
    stage.send().await?;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut silent_since = Instant::now();
    while !stage.is_settled() && started.elapsed() < PATIENCE {
        tokio::select! {
            Some(event) = events.recv() => {
                stage.note(&event);
                if let Some(line) = watch::line(&event) {
                    say_at(line);
                    silent_since = Instant::now();
                }
            }
            _ = tick.tick() => {}
        }
        if silent_since.elapsed() > SILENCE {
            let left = watch::plural(stage.left().len(), "message");
            say_at(format!("... {left} left, hidden until the visibility timeout is over"));
            silent_since = Instant::now();
        }
    }
    let scene = stage.look();
    let promises = check::promises(&scene);
    say!(
        "\n{}\n{}",
        report::table(&scene),
        report::verdict(&promises, started.elapsed())
    );
    Ok(promises.iter().all(|promise| promise.held))
}
