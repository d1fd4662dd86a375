//! The scenarios.

use std::time::{Duration, Instant};

use workers::{Line, Orders};

use crate::Failed;
use crate::check::unacknowledged;
use crate::harness::{DRAIN, Harness, VISIBILITY};
use crate::long::long;
use crate::on_premises::{ordered, restarts};
use crate::place::Program;
use crate::receiver::Pace;
use crate::servers::{Server, System};

/// What goes wrong. Those that take longest are first, so that no job is left alone at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Broker and database are killed or ended, and started again
    Restarts,
    /// Ordered queues, whose processes are killed, ended, cut off and stopped
    Ordered,
    /// A message of three visibility timeouts, beside fast ones
    Long,
    /// SIGSTOP past the lease and the visibility timeout, then SIGCONT
    Stops,
    /// SIGKILL at random moments, and a new process each time
    Kills,
    /// Connections to queues and ledger cut and refused; the database is killed
    Cuts,
    /// SIGTERM at random moments
    Ends,
}

/// How long processes are disturbed.
pub(crate) const DISTURBED: Duration = Duration::from_secs(7);

/// A drain ends within it, the last requests, and a busy machine.
const LONGEST_END: Duration = Duration::from_secs(11);

/// What a scenario prints beside the figures of its end.
pub(crate) type Shown = Result<String, Failed>;

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

    /// Runs it until nothing is left in the queues.
    pub(crate) async fn play(self, harness: &mut Harness, crash: &Crash<'_>) -> Shown {
        let shown = match self {
            Self::Kills => kills(harness).await?,
            Self::Stops => stops(harness).await?,
            Self::Ends => ends(harness).await?,
            Self::Cuts => cuts(harness, crash.database).await?,
            Self::Long => long(harness).await?,
            Self::Ordered => ordered(harness).await?,
            Self::Restarts => restarts(harness, crash).await?,
        };
        harness.settle().await?;
        harness.kill_all().await?;
        Ok(shown)
    }

    /// Whether it runs on this system.
    pub(crate) fn is_for(self, system: System) -> bool {
        match self {
            Self::Kills | Self::Stops | Self::Ends | Self::Cuts => true,
            // What a process has is not visible in RabbitMQ: the fast messages could not be seen to be acknowledged.
            Self::Long => system != System::OnPremises,
            Self::Ordered | Self::Restarts => system == System::OnPremises,
        }
    }

    /// Whether it kills the database, and needs one of its own.
    pub(crate) fn kills_database(self, system: System) -> bool {
        matches!((self, system), (Self::Cuts, System::Postgresql) | (Self::Restarts, _))
    }

    /// Whether it would show nothing without a redelivery.
    pub(crate) fn must_redeliver(self) -> bool {
        matches!(self, Self::Kills | Self::Stops | Self::Ordered | Self::Restarts)
    }
}

/// What kills servers.
#[derive(Debug, Default)]
pub(crate) struct Crash<'a> {
    /// The command that kills the database and starts it again.
    pub(crate) database: Option<&'a str>,
    pub(crate) broker: Option<&'a Server>,
}

/// Two places of each function, those of orders first.
async fn places(harness: &mut Harness) -> Result<(), Failed> {
    for program in [Program::PlaceOrder, Program::SendNotification] {
        for _ in 0..2 {
            harness.add(program).await?;
        }
    }
    Ok(())
}

/// Two processes of each function.
pub(crate) async fn four(harness: &mut Harness) -> Result<(), Failed> {
    places(harness).await?;
    (0..harness.places.len()).try_for_each(|place| harness.run(place))
}

pub(crate) async fn send(harness: &mut Harness, messages: usize) -> Result<(), Failed> {
    for _ in 0..messages {
        harness.queues.send_order(&mut harness.orders).await?;
    }
    Ok(())
}

async fn kills(harness: &mut Harness) -> Shown {
    places(harness).await?;
    harness.run(0)?;
    // Once for certain while it holds messages.
    stop_with_orders(harness, 0).await?;
    harness.kill(0).await?;
    for place in 0..harness.places.len() {
        harness.run(place)?;
    }
    let (begun, mut kills) = (Instant::now(), 1);
    while begun.elapsed() < DISTURBED {
        let messages = harness.random.usize(1..6);
        send(harness, messages).await?;
        harness.pause(20, 120).await;
        if harness.random.u8(..4) == 0 {
            let place = harness.random.usize(..harness.places.len());
            // More than it processes until it is killed.
            send(harness, 20).await?;
            harness.pause(0, 10).await;
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
pub(crate) async fn stop_at_work(harness: &mut Harness, orders: usize, notifications: usize) -> Result<(), Failed> {
    let instance = harness.instance(notifications);
    while !harness.receiver.is_waiting(instance) {
        send(harness, 3).await?;
        harness.pause(1, 20).await;
    }
    harness.stop(notifications)?;
    stop_with_orders(harness, orders).await
}

/// Stops the only process of orders while it holds messages.
async fn stop_with_orders(harness: &mut Harness, orders: usize) -> Result<(), Failed> {
    loop {
        send(harness, 40).await?;
        harness.pause(1, 40).await;
        harness.stop(orders)?;
        if harness.queues.are_held("orders").await? {
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
            harness.kill_database(command).await?;
            crashes += 1;
        }
    }
    Ok(format!(
        "{cuts} cuts, {outages} outages, {crashes} kills of the database"
    ))
}
