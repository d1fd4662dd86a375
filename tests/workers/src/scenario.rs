//! The scenarios.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Failed;
use crate::check::unacknowledged;
use crate::harness::{DRAIN, Harness, Program, VISIBILITY};
use crate::orders::Orders;
use crate::proxy::Line;
use crate::receiver::Pace;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// SIGKILL at random moments, and a new process each time
    Kills,
    /// SIGSTOP past the lease and the visibility timeout, then SIGCONT
    Stops,
    /// SIGTERM at random moments
    Ends,
    /// Connections to queues and ledger cut and refused; the database is killed
    Cuts,
    /// A message of three visibility timeouts, beside fast ones
    Long,
}

/// How long processes are disturbed.
const DISTURBED: Duration = Duration::from_secs(7);

/// A drain ends within it, the last requests, and a busy machine.
const LONGEST_END: Duration = Duration::from_secs(11);

/// What a scenario prints beside the figures of its end.
type Shown = Result<String, Failed>;

impl Scenario {
    /// How long the receiver takes.
    pub(crate) fn pace(self) -> Pace {
        match self {
            // Longer than the drain, and shorter than the client waits.
            Self::Ends => Pace {
                usual: (20, 100),
                slow: Some(2 * DRAIN + DRAIN / 2),
            },
            _ => Pace {
                usual: (5, 150),
                slow: None,
            },
        }
    }

    /// Runs it until nothing is left in the queues. `crash` is the command that kills the database and starts it again.
    pub(crate) async fn play(self, harness: &mut Harness, crash: Option<&str>) -> Shown {
        let shown = match self {
            Self::Kills => kills(harness).await?,
            Self::Stops => stops(harness).await?,
            Self::Ends => ends(harness).await?,
            Self::Cuts => cuts(harness, crash).await?,
            Self::Long => long(harness).await?,
        };
        harness.settle().await?;
        harness.kill_all().await?;
        Ok(shown)
    }

    /// Whether it would show nothing without a redelivery.
    pub(crate) fn must_redeliver(self) -> bool {
        matches!(self, Self::Kills | Self::Stops)
    }
}

/// Two processes of each function.
async fn four(harness: &mut Harness) -> Result<(), Failed> {
    for program in [Program::PlaceOrder, Program::SendNotification] {
        for _ in 0..2 {
            let place = harness.add(program).await?;
            harness.run(place)?;
        }
    }
    Ok(())
}

async fn send(harness: &mut Harness, messages: usize) -> Result<(), Failed> {
    for _ in 0..messages {
        harness.orders.send(harness.stack.sqs()).await?;
    }
    Ok(())
}

async fn kills(harness: &mut Harness) -> Shown {
    four(harness).await?;
    let (begun, mut kills) = (Instant::now(), 0);
    while begun.elapsed() < DISTURBED {
        let messages = harness.random.usize(1..6);
        send(harness, messages).await?;
        harness.pause(20, 120).await;
        if harness.random.u8(..4) == 0 {
            let place = harness.random.usize(..harness.places.len());
            harness.kill(place).await?;
            harness.run(place)?;
            kills += 1;
        }
    }
    Ok(format!("{kills} kills"))
}

async fn stops(harness: &mut Harness) -> Shown {
    let orders = harness.add(Program::PlaceOrder).await?;
    let notifications = harness.add(Program::SendNotification).await?;
    harness.run(notifications)?;
    harness.run(orders)?;
    stop_at_work(harness, orders, notifications).await?;
    let stopped = Instant::now();
    for program in [Program::PlaceOrder, Program::SendNotification] {
        let place = harness.add(program).await?;
        harness.run(place)?;
    }
    // All of it is done by the other processes, while the first ones hold receipts and leases.
    harness.settle().await?;
    let stopped = stopped.elapsed();
    if stopped < VISIBILITY {
        return Err("the stopped processes held no message: it shows nothing".into());
    }
    harness.go_on(orders)?;
    harness.go_on(notifications)?;
    send(harness, 30).await?;
    harness.pause(200, 800).await;
    for place in [orders, notifications] {
        harness.end(place, true).await?;
    }
    Ok(format!("2 processes stopped for {stopped:.1?}"))
}

/// Stops both processes while they hold messages.
async fn stop_at_work(harness: &mut Harness, orders: usize, notifications: usize) -> Result<(), Failed> {
    let instance = harness.instance(notifications);
    while !harness.receiver.is_waiting(instance) {
        send(harness, 3).await?;
        harness.pause(1, 20).await;
    }
    harness.stop(notifications)?;
    loop {
        send(harness, 40).await?;
        harness.pause(1, 40).await;
        harness.stop(orders)?;
        let in_flight = |message: &emulator::sqs::QueuedMessage| message.receive_count > 0;
        if harness.stack.sqs().peek("orders").iter().any(in_flight) {
            return Ok(());
        }
        harness.go_on(orders)?;
    }
}

async fn ends(harness: &mut Harness) -> Shown {
    const ROUNDS: usize = 4;
    // A copy that waits for the other one is in the queue and completed, and that is right.
    harness.orders = Orders::each_once();
    let orders = harness.add(Program::PlaceOrder).await?;
    let notifications = harness.add(Program::SendNotification).await?;
    let mut longest = Duration::ZERO;
    for _ in 0..ROUNDS {
        send(harness, 80).await?;
        harness.run(orders)?;
        harness.run(notifications)?;
        harness.connected(orders).await?;
        harness.connected(notifications).await?;
        harness.pause(0, 1200).await;
        for place in [notifications, orders] {
            let took = harness.end(place, true).await?;
            longest = longest.max(took);
        }
        let lost = unacknowledged(harness).await?;
        if !lost.is_empty() {
            return Err(
                format!("acknowledgements lost at SIGTERM: {lost:?} are completed and still in the queue").into(),
            );
        }
    }
    if longest > DRAIN + LONGEST_END {
        return Err(format!("a process took {longest:.1?} to end with a drain of {DRAIN:?}").into());
    }
    harness.run(orders)?;
    harness.run(notifications)?;
    Ok(format!("{} ends of at most {longest:.1?}", 2 * ROUNDS))
}

async fn cuts(harness: &mut Harness, crash: Option<&str>) -> Shown {
    four(harness).await?;
    let (begun, mut cuts, mut outages, mut crashes) = (Instant::now(), 0, 0, 0);
    while begun.elapsed() < DISTURBED {
        let messages = harness.random.usize(1..6);
        send(harness, messages).await?;
        harness.pause(20, 120).await;
        let (place, database) = (harness.random.usize(..harness.places.len()), harness.random.bool());
        match harness.random.u8(..12) {
            0..=3 => {
                harness.cut(place, database);
                cuts += 1;
            }
            4 => {
                let line = if harness.random.bool() {
                    Line::Refused
                } else {
                    Line::Silent
                };
                let time = Duration::from_millis(harness.random.u64(500..2500));
                harness.cut_for(place, database, line, time);
                outages += 1;
            }
            _ => {}
        }
        if let Some(command) = crash.filter(|_| crashes == 0 && begun.elapsed() > DISTURBED / 2) {
            kill_database(harness, command).await?;
            crashes += 1;
        }
    }
    Ok(format!(
        "{cuts} cuts, {outages} outages, {crashes} kills of the database"
    ))
}

async fn kill_database(harness: &mut Harness, command: &str) -> Result<(), Failed> {
    let from = Instant::now();
    let killed = tokio::process::Command::new("bash").arg(command).status().await?;
    harness.database_was_killed(from);
    match killed.success() {
        true => Ok(()),
        false => Err(format!("{command} could not kill the database and start it again: {killed}").into()),
    }
}

/// Ten messages at once: one that takes three visibility timeouts, and nine that take no time.
async fn long(harness: &mut Harness) -> Shown {
    const SLOW: &str = "slow";
    for _ in 0..2 {
        harness.add(Program::Wait).await?;
    }
    let mut entries = vec![(SLOW.to_owned(), 3 * VISIBILITY)];
    entries.extend((0..9).map(|number| (format!("fast {number}"), Duration::from_millis(20))));
    let entry = |(id, (subject, wait)): (usize, &(String, Duration))| {
        let wait = u64::try_from(wait.as_millis()).unwrap_or_default();
        let body = json!({ "subject": subject, "wait": wait }).to_string();
        json!({ "Id": id.to_string(), "MessageBody": body })
    };
    let entries_json: Vec<_> = entries.iter().enumerate().map(entry).collect();
    let request = json!({ "QueueUrl": "notifications", "Entries": entries_json });
    let sent = harness.stack.sqs().call("SendMessageBatch", request).await;
    let sent = sent.map_err(|error| format!("SendMessageBatch: {error:?}"))?;
    let slow = sent["Successful"][0]["MessageId"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let begun = Instant::now();
    harness.run(0)?;
    harness.run(1)?;
    harness.expected.extend(entries.into_iter().map(|(subject, _)| subject));
    let is_done = |harness: &Harness| {
        let arrivals = harness.receiver.arrivals();
        arrivals
            .iter()
            .any(|arrival| arrival.subject == SLOW && arrival.answered.is_some())
    };
    while harness.left() > 1 && !is_done(harness) {
        harness.pause(5, 5).await;
    }
    let fast = begun.elapsed();
    if is_done(harness) {
        return Err("fast messages were acknowledged only after the slow one".into());
    }
    harness.settle().await?;
    match harness.stack.sqs().deliveries(&slow) {
        1 => {}
        receives => {
            return Err(format!("the slow message was received {receives} times: it did not stay hidden").into());
        }
    }
    Ok(format!(
        "nine fast ones acknowledged after {fast:.1?}, the slow one after {:.0?}",
        begun.elapsed()
    ))
}
