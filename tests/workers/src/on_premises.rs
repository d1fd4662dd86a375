//! The scenarios that only RabbitMQ and PostgreSQL have.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failed;
use crate::harness::{Harness, VISIBILITY};
use crate::place::Program;
use crate::queues::Message;
use crate::scenario::{Crash, DISTURBED, Shown, four, send, stop_at_work};
use crate::servers::Ending;

/// Few, so that messages of one group wait for each other.
const GROUPS: u64 = 4;

/// How long an orchestrator must wait for a worker with a short drain, by the worker's README.
const LONGEST_STOP: Duration = Duration::from_secs(28 + 15);

/// Ordered queues. Messages are processed in the order of their groups, whatever becomes of the processes.
pub(crate) async fn ordered(harness: &mut Harness) -> Shown {
    let mut notes = 0;
    let stopped = stop_the_active(harness, &mut notes).await?;
    let (begun, mut faults) = (Instant::now(), 0);
    while begun.elapsed() < DISTURBED {
        let messages = harness.random.usize(1..4);
        send(harness, messages).await?;
        send_note(harness, &mut notes).await?;
        harness.pause(20, 120).await;
        let place = harness.random.usize(..harness.places.len());
        match harness.random.u8(..20) {
            0..=2 => harness.kill(place).await?,
            3 => drop(harness.end(place, true).await?),
            4..=6 => {
                let database = harness.random.bool();
                harness.cut(place, database);
                faults += 1;
                continue;
            }
            _ => continue,
        }
        harness.run(place)?;
        faults += 1;
    }
    Ok(format!(
        "2 active processes stopped for {stopped:.1?}, then {faults} kills, ends and cuts"
    ))
}

/// Stops the processes that receive. Others take over when the broker misses their heartbeats.
async fn stop_the_active(harness: &mut Harness, notes: &mut u64) -> Result<Duration, Failed> {
    let orders = harness.add(Program::PlaceOrder).await?;
    let notifications = harness.add(Program::SendNotification).await?;
    harness.run(orders)?;
    harness.run(notifications)?;
    for _ in 0..4 * GROUPS {
        send_note(harness, notes).await?;
    }
    stop_at_work(harness, orders, notifications).await?;
    let begun = Instant::now();
    for program in [Program::PlaceOrder, Program::SendNotification] {
        let place = harness.add(program).await?;
        harness.run(place)?;
    }
    harness.settle().await?;
    let stopped = begun.elapsed();
    if stopped < VISIBILITY {
        return Err("the stopped processes held no message: it shows nothing".into());
    }
    harness.go_on(orders)?;
    harness.go_on(notifications)?;
    Ok(stopped)
}

/// A notification of one of a few groups, numbered within all of them.
async fn send_note(harness: &mut Harness, notes: &mut u64) -> Result<(), Failed> {
    let group = format!("group {}", *notes % GROUPS);
    let subject = format!("{group}-{notes}");
    *notes += 1;
    let note = Message {
        body: json!({ "to": "someone", "subject": subject, "text": "" }),
        group: Some(group),
    };
    harness.queues.send("notifications", &[note]).await?;
    harness.expected.insert(subject);
    Ok(())
}

/// What happens to a server.
#[derive(Debug, Clone, Copy)]
enum Restart {
    Broker(Ending),
    Database,
}

/// Each server ends and starts again, in a random order, while messages are processed.
pub(crate) async fn restarts(harness: &mut Harness, crash: &Crash<'_>) -> Shown {
    let (Some(server), Some(database)) = (crash.broker, crash.database) else {
        return Err("the servers can't be restarted: run `.ci/servers .ci/soak`".into());
    };
    four(harness).await?;
    let (killed, stopped) = (Restart::Broker(Ending::Killed), Restart::Broker(Ending::Stopped));
    let mut restarts = [killed, stopped, Restart::Database];
    harness.random.shuffle(&mut restarts);
    let mut longest = Duration::ZERO;
    for restart in restarts {
        let traffic = harness.random.u8(5..20);
        for _ in 0..traffic {
            send(harness, 5).await?;
            harness.pause(20, 120).await;
        }
        // The servers are ended while messages are in process.
        send(harness, 20).await?;
        match restart {
            Restart::Broker(ending) => {
                let place = harness.random.usize(..harness.places.len());
                longest = longest.max(harness.restart_broker(server, ending, place).await?);
            }
            Restart::Database => harness.kill_database(database).await?,
        }
    }
    send(harness, 20).await?;
    if longest > LONGEST_STOP {
        return Err(format!("a process took {longest:.1?} to end while there was no broker").into());
    }
    let restarts = format!("{restarts:?}").to_lowercase();
    Ok(format!(
        "{restarts}, without a broker a process ended after at most {longest:.1?}"
    ))
}
