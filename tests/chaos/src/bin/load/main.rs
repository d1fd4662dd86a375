//! Load: many messages through `local up` with several function processes, and a receive from a queue of a million.

mod bench;
mod memory;
mod messages;
mod stack;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use cli::{Stop, say};

use crate::memory::{Kept, Sample};
use crate::messages::Messages;
use crate::stack::Up;
use crate::verify::Found;

/// Send many orders through the local stack, check that none is lost, and that memory does not grow with them
///
/// Exit status 0 only if all of it holds.
#[derive(Parser)]
#[command(name = "load", version)]
struct Cli {
    /// How many messages, with 5 % sent twice and 1 % that can't be processed
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..))]
    messages: u64,
    /// How many visible messages the queue of the second part has
    #[arg(long, default_value_t = 1_000_000)]
    visible: u32,
    /// The folder with the programs `local`, `place-order` and `send-notification`
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    programs: PathBuf,
}

pub(crate) type Failed = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    match load(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let causes: Vec<_> = cli::causes(&*error).map(ToString::to_string).collect();
            eprintln!("error: {}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

async fn load(args: Cli) -> Result<ExitCode, Failed> {
    let mut stop = Stop::listen()?;
    let all = async {
        let through = through_the_stack(&args).await?;
        let fast = bench::receive(args.visible).await?;
        Ok(if through && fast {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    };
    tokio::select! {
        code = all => code,
        code = stop.requested() => Ok(code),
    }
}

/// Whether no message was lost and memory stayed flat.
async fn through_the_stack(args: &Cli) -> Result<bool, Failed> {
    let up = Up::start(&args.programs).await?;
    let mut messages = Messages::new(up.endpoint()).await;
    let begun = Instant::now();
    let (half, times) = send_all(args.messages, &up, &mut messages).await?;
    messages.until_settled().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let end = sample(&up, &messages, &times)?;
    let found = verify::verify(&messages, up.endpoint()).await?;
    print(&messages, &found, seconds);
    let (flat, (grown, most)) = (end.is_flat(&half), end.growth(&half));
    say!("memory at 50 %            {}", half.memory);
    say!("memory at 100 %           {}", end.memory);
    say!("kept at 100 %             {}", end.kept);
    say!(
        "growth of the stack       {grown} KB of {most} KB that what is kept may take: {}",
        if flat { "flat" } else { "MORE THAN IT MAY" }
    );
    up.stop().await?;
    Ok(flat && found.holds(&messages))
}

/// Sends the messages. Returns a sample at half of them, and when each was sent.
async fn send_all(most: u64, up: &Up, messages: &mut Messages) -> Result<(Sample, Vec<Duration>), Failed> {
    let begun = Instant::now();
    let (mut half, mut times) = (None, Vec::new());
    let mut next = most / 10;
    while messages.sent() < most {
        messages.send_ten(most).await?;
        times.resize(usize::try_from(messages.sent())?, begun.elapsed());
        if messages.sent() >= next {
            next += most / 10;
            let sample = sample(up, messages, &times)?;
            let rate = messages.sent() as f64 / begun.elapsed().as_secs_f64();
            say!("{:7} messages, {rate:.0} a second, {}", messages.sent(), sample.memory);
            if messages.sent() >= most / 2 {
                half.get_or_insert(sample);
            }
        }
    }
    Ok((half.ok_or("no sample at half of the messages")?, times))
}

fn sample(up: &Up, messages: &Messages, times: &[Duration]) -> Result<Sample, Failed> {
    Ok(Sample {
        memory: up.memory()?,
        kept: Kept::of(times, u64::try_from(messages.poison())?),
    })
}

fn print(messages: &Messages, found: &Found, seconds: f64) {
    say!("\nsent                      {}", messages.sent());
    say!("done                      {}", found.done);
    say!("duplicates                {}", messages.duplicates());
    say!(
        "poison                    {}, of these in the dead-letter queue {}",
        messages.poison(),
        found.dead_letters
    );
    say!("lost                      {}", found.lost);
    say!("confirmations             {} of {}", found.confirmed, messages.orders());
    say!(
        "totals of customers       {}",
        if found.totals_hold { "right" } else { "WRONG" }
    );
    say!("messages a second         {:.0}", messages.sent() as f64 / seconds);
}
