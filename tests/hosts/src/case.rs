//! One scenario on one host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cli::say;
use emulator::{Receiver, Receivers};
use http::{HeaderMap, Method};
use idempotency::Key;
use testing::TestStack;

use crate::azure_functions::AzureFunctions;
use crate::cloud_tasks::CloudTasks;
use crate::driver::{Driver, Sqs};
use crate::host::Host;
use crate::http::call;
use crate::ledger::{Ledger, Store};
use crate::process::Process;
use crate::pubsub::PubSub;
use crate::rabbitmq::RabbitMq;
use crate::scenario::Scenario;
use crate::storage_queue::StorageQueue;
use crate::{Cli, Failed, orders, until};

const RECEIVER: &str = "NotificationUrl";

/// Of a platform that calls: more than anything takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often a message is looked for again after a stop.
const STOPS: usize = 3;

/// How often a scenario is played until the machine was fast enough.
const PLAYS: usize = 5;

/// A cell of a table.
pub(crate) type Cell = (Store, Scenario, Host);

/// A driver, the processes that it brings messages to, their ledger, and the stack with the receiver of notifications.
pub(crate) struct Case<D> {
    host: Host,
    scenario: Scenario,
    program: PathBuf,
    /// What the names of log files begin with.
    log: PathBuf,
    started: u32,
    pub(crate) stack: Arc<TestStack>,
    pub(crate) driver: D,
    pub(crate) ledger: Ledger,
    processes: Vec<Process>,
}

/// What became of the message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The status of the record; empty if there is none.
    pub(crate) record: String,
    /// The reasons of the dead letters.
    pub(crate) dead_letters: Vec<String>,
    /// Notifications that the receiver accepted.
    pub(crate) effects: u32,
    pub(crate) has_lost_replies: bool,
    pub(crate) refused: usize,
    pub(crate) lost_answers: usize,
}

/// Plays a scenario, and returns its cell of the table. It is played again if the machine was too slow to show anything.
pub(crate) async fn play(args: &Cli, folder: &Path, cell: Cell) -> Result<String, Failed> {
    for _ in 0..PLAYS {
        if let Some(became) = play_once(args, folder, cell).await? {
            return Ok(became);
        }
        say!("too slow {cell:?}, which is played again");
    }
    Err(format!("{PLAYS} times a second delivery was not refused: it made no claim, or the machine is too slow").into())
}

async fn play_once(args: &Cli, folder: &Path, cell: Cell) -> Result<Option<String>, Failed> {
    let (store, scenario, host) = cell;
    let program = host.path(&args.programs, scenario.function());
    let path = program.display().to_string();
    let functions = [(scenario.function(), &*path)];
    let functions = if host == Host::Lambda { &functions[..] } else { &[] };
    // One message in each invocation: otherwise two deliveries could be in one batch, which processes one of them.
    let parameters = [&[("BatchSize", "1")], scenario.parameters()].concat();
    let stack = Arc::new(TestStack::start(functions, &parameters).await);
    let ledger = Ledger::start(store, &stack, scenario).await?;
    let log = folder.join(format!("{store:?}-{host:?}-{scenario:?}"));
    macro_rules! on {
        ($driver:expr) => {{
            let (driver, processes, started) = ($driver, Vec::new(), 0);
            let case = Case {
                host,
                scenario,
                program,
                log,
                started,
                stack,
                driver,
                ledger,
                processes,
            };
            case.play().await
        }};
    }
    match host {
        Host::Lambda | Host::WorkerSqs => on!(Sqs {
            stack: Arc::clone(&stack),
            sent: None
        }),
        Host::WorkerRabbitmq => on!(RabbitMq::new().await?),
        Host::WorkerStorageQueue => on!(StorageQueue::new(scenario.window()).await?),
        Host::AzureFunctions => on!(AzureFunctions::new().await?),
        Host::CloudTasks => on!(CloudTasks::new().await?),
        Host::PubSub => on!(PubSub::new(Arc::clone(&stack), DEADLINE).await?),
    }
}

impl<D: Driver> Case<D> {
    async fn play(mut self) -> Result<Option<String>, Failed> {
        for _ in 0..self.processes_at_once() {
            self.start().await?;
        }
        if self.scenario == Scenario::Orders {
            let cell = orders::play(&mut self).await?;
            self.driver.close().await?;
            return Ok(Some(cell));
        }
        let played = self.scenario.play(&mut self).await?;
        let cell = match played {
            Some(key) => {
                self.settle(&key).await?;
                Some(self.scenario.check(&self.seen(&key).await?)?)
            }
            None => None,
        };
        self.driver.close().await?;
        Ok(cell)
    }

    pub(crate) fn receiver(&self) -> &Receiver {
        self.stack.receiver(RECEIVER)
    }

    /// Starts a process. Lambda starts its own.
    pub(crate) async fn start(&mut self) -> Result<(), Failed> {
        if self.host == Host::Lambda {
            return Ok(());
        }
        self.started += 1;
        let log = self.log.with_extension(format!("{}.log", self.started));
        let mut process = Process::start(&self.program, &self.environment(), log)?;
        until("the process is ready", async || {
            let Some(address) = process.listens()? else {
                return Ok(false);
            };
            let url = format!("http://{address}/ready");
            let answer = call(Method::GET, &url, &HeaderMap::new(), Vec::new()).await?;
            Ok(answer.status().is_success())
        })
        .await?;
        self.processes.push(process);
        self.show_addresses();
        Ok(())
    }

    fn show_addresses(&self) {
        let addresses = self.processes.iter().filter_map(|process| process.address.clone());
        self.driver.set_addresses(addresses.collect());
    }

    /// A worker settles another delivery of a message that it has together with that one. So another process must get it.
    fn has_one_each(&self) -> bool {
        self.scenario == Scenario::AtOnce && self.host.is_worker()
    }

    fn processes_at_once(&self) -> usize {
        match self.has_one_each() || self.scenario == Scenario::Orders {
            true => 2,
            false => 1,
        }
    }

    /// Kills all processes, and starts others.
    pub(crate) async fn replace(&mut self) -> Result<(), Failed> {
        self.driver.set_addresses(Vec::new());
        for process in self.processes.drain(..) {
            process.kill().await?;
        }
        for _ in 0..self.processes_at_once() {
            self.start().await?;
        }
        Ok(())
    }

    /// The key of a message, with the namespace of the function.
    pub(crate) fn key(&self, key: &str) -> Result<Key, Failed> {
        Ok(Key::new(self.scenario.function(), key)?)
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let stack = &self.stack.stack;
        let texts = [
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", stack.endpoint()),
            ("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true"),
            ("REQUEST_TIMEOUT_SECONDS", "10"),
            ("LOG_MESSAGES", "true"),
            ("RETRY_DELAY_SECONDS", "1"),
            ("RETRY_DELAY_LONGEST_SECONDS", "1"),
            ("HEALTH_ADDRESS", "127.0.0.1:0"),
            ("LISTEN_ADDRESS", "127.0.0.1:0"),
        ];
        let mut environment: Vec<_> = texts.map(|(name, value)| (name, value.to_owned())).into();
        environment.push(("AWS_REGION", stack.region()));
        environment.push((
            "NOTIFICATION_URL",
            format!("{}{}/{RECEIVER}", stack.endpoint(), Receivers::PATH),
        ));
        environment.push(("DEADLINE_SECONDS", DEADLINE.as_secs().to_string()));
        environment.push(self.ledger.setting());
        let concurrency = if self.has_one_each() { "1" } else { "10" };
        environment.push(("CONCURRENCY", concurrency.to_owned()));
        environment.extend(self.driver.environment());
        environment
    }

    /// Kills the process that has a message.
    pub(crate) async fn kill(&mut self) -> Result<(), Failed> {
        let process = self.processes.pop();
        self.show_addresses();
        match process {
            Some(process) => process.kill().await,
            None => {
                until("a process is killed", async || {
                    Ok(self.stack.stack.lambda().kill(self.scenario.function()) > 0)
                })
                .await
            }
        }
    }

    /// Waits until the message is finished and gone, also after the process has ended in order.
    pub(crate) async fn settle(&mut self, key: &str) -> Result<(), Failed> {
        for _ in 0..STOPS {
            until("the message is finished", async || self.is_finished(key).await).await?;
            self.driver.set_addresses(Vec::new());
            for process in self.processes.drain(..) {
                process.stop(|| self.driver.end_waits()).await?;
            }
            if self.driver.left().await? == 0 {
                return Ok(());
            }
            // RabbitMQ does not show what a process has, and gets back what that had not begun.
            let claims = self.ledger.puts();
            self.start().await?;
            let claimed = async || Ok(self.ledger.puts() > claims);
            until("a message that was left is claimed", claimed).await?;
        }
        Err(format!("{} messages are left after each stop", self.driver.left().await?).into())
    }

    pub(crate) async fn is_finished(&self, key: &str) -> Result<bool, Failed> {
        let is_recorded = ["COMPLETED", "REJECTED"].contains(&&*self.status(key).await?);
        let is_over = is_recorded || !self.driver.dead_letters().await?.is_empty();
        Ok(is_over && self.driver.left().await? == 0)
    }

    /// The status of a message's record; empty if there is none.
    pub(crate) async fn status(&self, key: &str) -> Result<String, Failed> {
        self.ledger.status(&self.key(key)?).await
    }

    async fn seen(&self, key: &str) -> Result<Seen, Failed> {
        let notifications = self.receiver().notifications();
        let token = self.key(key)?.token();
        if let Some(other) = notifications.keys().find(|other| **other != token) {
            return Err(format!("a request had the idempotency key {other}, not {token}").into());
        }
        Ok(Seen {
            record: self.status(key).await?,
            dead_letters: self.driver.dead_letters().await?,
            has_lost_replies: self.ledger.has_lost_replies(),
            refused: self.ledger.refused(),
            lost_answers: self.driver.lost_answers(),
            effects: notifications.values().map(|notified| notified.accepted).sum(),
        })
    }
}
