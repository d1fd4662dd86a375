//! How fast a worker is, beside a loop that only receives and deletes.

use std::path::Path;
use std::time::{Duration, Instant};

use cli::say;
use serde_json::{Value, json};

use crate::Failed;
use crate::harness::{Harness, Program};
use crate::orders;
use crate::process::Usage;
use crate::receiver::Pace;

/// So many wait at most: what waits is in this process, and is not what is measured.
const BACKLOG: u64 = 500;

/// From so many messages on, memory is measured.
const MEMORY_FROM: u64 = 100_000;

/// What the allocator may keep in the second half although nothing refers to it any more: 40 bytes a message of 100,000.
const SLACK_KILOBYTES: u64 = 4096;

/// Longer than messages need on a busy machine; then they are stuck.
const PATIENCE: Duration = Duration::from_secs(60);

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
pub(crate) async fn load(programs: &Path, messages: u64) -> Result<bool, Failed> {
    // Memory needs one kind only: the one with the least work in the emulator.
    let kinds = match messages >= MEMORY_FROM {
        true => vec![Program::Plain, Program::Wait],
        false => vec![Program::Plain, Program::Wait, Program::PlaceOrder],
    };
    say!(
        "{messages} messages each, one process with a concurrency of ten; SQS and DynamoDB are emulated in the process that sends"
    );
    say!("                                   a second   CPU each    beside plain   emulator's CPU each");
    let (mut plain, mut flat) = (None, true);
    for program in kinds {
        let measured = measure(programs, program, messages).await?;
        print(program, messages, &measured, plain.get_or_insert(measured.cpu));
        if messages >= MEMORY_FROM && program == Program::Wait {
            flat = is_flat(&measured.resident);
        }
    }
    Ok(flat)
}

fn print(program: Program, messages: u64, measured: &Measured, plain: &f64) {
    let each = |seconds: f64| format!("{:.0} µs", seconds * 1e6 / messages as f64);
    let name = match program {
        Program::Plain => "receive and delete, nothing else",
        Program::Wait => "worker, claim and completion",
        _ => "worker, place-order",
    };
    say!(
        "{name:34} {:8.0}   {:>8}   {:9.1} ×   {:>19}",
        messages as f64 / measured.seconds,
        each(measured.cpu),
        measured.cpu / plain,
        each(measured.own),
    );
}

fn is_flat(resident: &[u64]) -> bool {
    let list: Vec<_> = resident.iter().map(ToString::to_string).collect();
    say!("the worker's memory after each tenth: {} KB", list.join(", "));
    let half = resident.get(resident.len() / 2).copied().unwrap_or_default();
    let last = resident.last().copied().unwrap_or_default();
    let flat = last <= half + SLACK_KILOBYTES;
    let grown = last.saturating_sub(half);
    say!(
        "growth in the second half: {grown} KB of {SLACK_KILOBYTES} KB: {}",
        if flat { "flat" } else { "MORE THAN IT MAY" }
    );
    flat
}

async fn measure(programs: &Path, program: Program, messages: u64) -> Result<Measured, Failed> {
    let folder = std::env::temp_dir()
        .join(format!("workers-{}", std::process::id()))
        .join("load");
    let pace = Pace {
        usual: (0, 0),
        slow: None,
    };
    let mut harness = Harness::start(programs, folder.clone(), None, 1, pace).await?;
    let place = harness.add_directly(program);
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
    harness.kill_all().await?;
    verify(&harness, program, messages + 100)?;
    std::fs::remove_dir_all(folder)?;
    Ok(measured)
}

/// Sends so many messages and waits until the queue is empty.
async fn consume(harness: &Harness, place: usize, from: u64, count: u64) -> Result<(), Failed> {
    let program = harness.places[place].program;
    let mut progress = (u64::MAX, Instant::now());
    let mut next = from;
    loop {
        let left = waiting(harness, program.queue()).await?;
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
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// How many messages a queue holds, visible or not. It costs the same however many.
async fn waiting(harness: &Harness, queue: &str) -> Result<u64, Failed> {
    let request = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
    let answer = harness.stack.sqs().call("GetQueueAttributes", request).await;
    let answer = answer.map_err(|error| format!("GetQueueAttributes: {error:?}"))?;
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let count = |name: &str| {
        answer["Attributes"][name]
            .as_str()
            .and_then(|count| count.parse::<u64>().ok())
    };
    Ok(names.iter().filter_map(|name| count(name)).sum())
}

/// Sends up to ten messages, and returns the number of the next.
async fn send(harness: &Harness, program: Program, from: u64, end: u64) -> Result<u64, Failed> {
    let numbers = from..end.min(from + 10);
    let entry = |number: u64| {
        let body = message(program, number).to_string();
        json!({ "Id": number.to_string(), "MessageBody": body })
    };
    let entries: Vec<_> = numbers.clone().map(entry).collect();
    let request = json!({ "QueueUrl": program.queue(), "Entries": entries });
    let sent = harness.stack.sqs().call("SendMessageBatch", request).await;
    sent.map_err(|error| format!("SendMessageBatch: {error:?}"))?;
    Ok(numbers.end)
}

fn message(program: Program, number: u64) -> Value {
    match program {
        Program::PlaceOrder => orders::body(number),
        _ => json!({ "subject": format!("work {number}"), "wait": 0 }),
    }
}

/// Each message did what it is for, so that figures are of work and not of failures.
fn verify(harness: &Harness, program: Program, messages: u64) -> Result<(), Failed> {
    let records = harness.stack.dynamodb().scan("idempotency").len();
    let expected = if program == Program::Plain {
        0
    } else {
        usize::try_from(messages)?
    };
    match records == expected {
        true => Ok(()),
        false => Err(format!("{records} records of {expected} messages").into()),
    }
}
