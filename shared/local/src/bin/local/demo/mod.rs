//! `local demo`: the whole system on real messages, with life made hard for it.

mod cast;
mod check;
mod report;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use local::Stack;
use tokio::sync::mpsc;

use self::stage::Stage;
use crate::{Outcome, TemplateArgs, watch};

/// Short enough to see a redelivery, in the proportion of one to six that AWS recommends.
const PARAMETERS: [(&str, &str); 3] = [
    ("FunctionTimeout", "1"),
    ("VisibilityTimeout", "6"),
    ("MaxReceiveCount", "3"),
];

/// Much longer than three visibility timeouts: whatever is not settled by then never will be.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: TemplateArgs) -> Outcome {
    let mut options = args.options(0, None);
    for (name, value) in PARAMETERS {
        options
            .parameters
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    println!("Building the functions ...");
    let (observer, mut events) = mpsc::unbounded_channel();
    let events_directory = options.template.with_file_name("events");
    let stack = Stack::start(options, observer).await?;
    let started = Instant::now();
    println!("The local stack is up: {}. What happens:\n", stack.endpoint());

    let mut stage = Stage::set(&stack);
    stage.send(&events_directory).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while !stage.is_settled() && started.elapsed() < PATIENCE {
        tokio::select! {
            Some(event) = events.recv() => {
                stage.note(&event);
                if let Some(line) = watch::line(&event) {
                    println!("{:5.1} s  {line}", started.elapsed().as_secs_f32());
                }
            }
            _ = tick.tick() => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
        }
    }
    let seen = stage.look();
    let promises = check::promises(&seen);
    println!(
        "\n{}\n{}",
        report::table(&seen),
        report::verdict(&promises, started.elapsed())
    );
    stack.shutdown().await;
    Ok(if promises.iter().all(|promise| promise.held) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
