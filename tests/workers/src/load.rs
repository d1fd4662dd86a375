//! How fast a worker is, beside a loop that only receives and deletes.

use std::time::{Duration, Instant};

use cli::say;
use serde_json::{Value, json};

use crate::harness::Harness;
use crate::place::Program;
use crate::process::Usage;
use crate::queues::{Message, Queues};
use crate::receiver::Pace;
use crate::servers::{Servers, System};
use crate::{Cli, Failed};

/// So many wait at most: what waits is in this process, and is not what is measured.
const BACKLOG: u64 = 500;

/// From so many messages on, memory is measured.
const MEMORY_FROM: u64 = 100_000;

/// What the allocator may keep in the second half although nothing refers to it any more. That is 84 bytes a message of 50,000:
/// one ID of each message, left in a map, would take more.
const SLACK_KILOBYTES: u64 = 4096;

/// Longer than messages need on a busy machine; then they are stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a queue that holds enough. Short beside what the backlog takes, long beside what a look costs.
const PAUSE: Duration = Duration::from_millis(20);

/// What a process took for its messages.
struct Measured {
    seconds: f64,
    /// CPU of the process, in seconds.
    cpu: f64,
    /// CPU of this process, the emulator and the sender, in seconds.
    own: f64,
    /// Resident memory after each tenth of the messages, in kilobytes.
    resident: Vec<u64>,
}

/// Whether all messages were consumed, and memory stayed flat.
pub(crate) async fn load(args: &Cli) -> Result<bool, Failed> {
    let servers = Servers::from_env();
    // The third one is between them.
    let systems = servers.systems(args.system)?.into_iter();
    let systems = systems.filter(|system| *system != System::Postgresql);
    let measures_memory = args.messages >= MEMORY_FROM;
    // Memory needs no figure to compare with.
    let programs = match measures_memory {
        true => &[Program::Wait, Program::PlaceOrder][..],
        false => &[Program::Plain, Program::Wait, Program::PlaceOrder],
    };
    say!(
        "{} messages each, one process with a concurrency of ten, without proxies",
        args.messages
    );
    say!("{:44} a second   CPU each   beside plain   sender's CPU each", "");
    let mut flat = true;
    for system in systems {
        let mut plain = None;
        for program in programs {
            let measured = measure(args, &servers, system, *program).await?;
            if *program == Program::Plain {
                plain = Some(measured.cpu);
            }
            print(system, *program, args.messages, &measured, plain);
            flat &= !measures_memory || is_flat(&measured.resident);
        }
    }
    Ok(flat)
}

fn print(system: System, program: Program, messages: u64, measured: &Measured, plain: Option<f64>) {
    let each = |seconds: f64| format!("{:.0} µs", seconds * 1e6 / messages as f64);
    let name = match program {
        Program::Plain => "receive and acknowledge, nothing else",
        Program::Wait => "claim and completion",
        _ => "place-order",
    };
    let system = match system {
        System::OnPremises => "RabbitMQ",
        _ => "SQS",
    };
    let beside = plain.map_or_else(|| "-".to_owned(), |plain| format!("{:.1} ×", measured.cpu / plain));
    say!(
        "{:44} {:8.0}   {:>8}   {beside:>12}   {:>17}",
        format!("{system}: {name}"),
        messages as f64 / measured.seconds,
        each(measured.cpu),
        each(measured.own),
    );
}

fn is_flat(resident: &[u64]) -> bool {
    let after = |tenths: usize| resident.get(tenths - 1).copied().unwrap_or_default();
    let (half, last) = (after(5), after(10));
    let flat = last <= half + SLACK_KILOBYTES;
    say!(
        "    memory after 10 %, 50 % and 100 %: {}, {half} and {last} KB",
        after(1),
    );
    say!(
        "    growth in the second half: {} KB of {SLACK_KILOBYTES} KB: {}",
        last.saturating_sub(half),
        if flat { "flat" } else { "MORE THAN IT MAY" }
    );
    flat
}

async fn measure(args: &Cli, servers: &Servers, system: System, program: Program) -> Result<Measured, Failed> {
    let folder = std::env::temp_dir()
        .join(format!("workers-{}", std::process::id()))
        .join("load");
    let pace = Pace {
        usual: (0, 0),
        slow: None,
    };
    let (queues, database) = servers.start(system, "workers_load", false, None).await?;
    let mut harness = Harness::start(&args.programs, folder.clone(), queues, database, 1, pace).await?;
    let (place, messages) = (harness.add_directly(program), args.messages);
    // Not measured: start, connections, the first statements.
    harness.run(place)?;
    consume(&harness, place, 0, 100).await?;
    let (before, own, begun) = (harness.usage(place)?, Usage::of("self")?.cpu, Instant::now());
    let mut resident = Vec::new();
    for tenth in 0..10 {
        let from = 100 + tenth * messages / 10;
        let count = (tenth + 1) * messages / 10 - tenth * messages / 10;
        consume(&harness, place, from, count).await?;
        resident.push(harness.usage(place)?.resident);
    }
    let measured = Measured {
        seconds: begun.elapsed().as_secs_f64(),
        cpu: harness.usage(place)?.cpu - before.cpu,
        own: Usage::of("self")?.cpu - own,
        resident,
    };
    verify(&mut harness, program, messages + 100).await?;
    harness.kill_all().await?;
    if let Queues::RabbitMq(broker) = &harness.queues {
        broker.delete().await?;
    }
    std::fs::remove_dir_all(folder)?;
    Ok(measured)
}

/// Sends so many messages and waits until the queue is empty.
async fn consume(harness: &Harness, place: usize, from: u64, count: u64) -> Result<(), Failed> {
    let program = harness.places[place].program;
    let mut progress = (u64::MAX, Instant::now());
    let mut next = from;
    loop {
        let left = harness.queues.left_in(program.queue()).await?;
        if next == from + count && left == 0 {
            return Ok(());
        }
        if next < from + count && left < BACKLOG {
            next = send(harness, program, next, from + count).await?;
            continue;
        }
        if left != progress.0 {
            progress = (left, Instant::now());
        }
        if progress.1.elapsed() > PATIENCE {
            return Err(format!("{left} messages are stuck, see the log in {}", harness.folder.display()).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends some messages, and returns the number of the next.
async fn send(harness: &Harness, program: Program, from: u64, end: u64) -> Result<u64, Failed> {
    let numbers = from..end.min(from + harness.queues.batch());
    let message = |number: u64| Message {
        body: message(program, number),
        group: None,
    };
    let messages: Vec<_> = numbers.clone().map(message).collect();
    harness.queues.send(program.queue(), &messages).await?;
    Ok(numbers.end)
}

fn message(program: Program, number: u64) -> Value {
    match program {
        Program::PlaceOrder => workers::body(number),
        _ => json!({ "subject": format!("work {number}"), "wait": 0 }),
    }
}

/// Each message did what it is for, so that figures are of work and not of failures.
async fn verify(harness: &mut Harness, program: Program, messages: u64) -> Result<(), Failed> {
    let expected = match program {
        Program::Plain => 0,
        _ => usize::try_from(messages)?,
    };
    let begun = Instant::now();
    // RabbitMQ does not show the last ones, which the worker has.
    loop {
        let records = harness.found().await?.records.len();
        match records == expected {
            true => return Ok(()),
            false if begun.elapsed() > PATIENCE => {
                return Err(format!("{records} records of {expected} messages").into());
            }
            false => harness.pause(50, 50).await,
        }
    }
}
