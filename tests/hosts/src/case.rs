//! One scenario on one host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cli::say;
use emulator::dynamodb::Reply;
use emulator::{Receiver, Receivers};
use http::{HeaderMap, Method};
use idempotency::Key;
use serde_json::json;
use testing::TestStack;

use crate::azure_functions::AzureFunctions;
use crate::cloud_tasks::CloudTasks;
use crate::driver::{Driver, Sqs};
use crate::host::Host;
use crate::http::call;
use crate::process::Process;
use crate::pubsub::PubSub;
use crate::rabbitmq::RabbitMq;
use crate::scenario::Scenario;
use crate::storage_queue::StorageQueue;
use crate::{Cli, Failed, until};

pub(crate) const NAMESPACE: &str = "send-notification";
const RECEIVER: &str = "NotificationUrl";

/// Of a platform that calls: more than anything takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often a message is looked for again after a stop.
const STOPS: usize = 3;

/// How often a scenario is played until the machine was fast enough.
const PLAYS: usize = 5;

/// A driver, the process that it brings messages to, and the stack with the ledger and the receiver of notifications.
pub(crate) struct Case<D> {
    host: Host,
    scenario: Scenario,
    program: PathBuf,
    /// What the names of log files begin with.
    log: PathBuf,
    started: u32,
    pub(crate) stack: Arc<TestStack>,
    pub(crate) driver: D,
    processes: Vec<Process>,
    /// Claims that the ledger refused, if they are counted.
    pub(crate) refused: Arc<AtomicUsize>,
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
    /// Requests to put a record.
    pub(crate) puts: u64,
    pub(crate) refused: usize,
}

/// Plays a scenario, and returns its cell of the table. It is played again if the machine was too slow to show anything.
pub(crate) async fn play(args: &Cli, folder: &Path, scenario: Scenario, host: Host) -> Result<String, Failed> {
    for _ in 0..PLAYS {
        if let Some(cell) = play_once(args, folder, scenario, host).await? {
            return Ok(cell);
        }
        say!("too slow {host:?} {scenario:?}, which is played again");
    }
    Err(format!("{PLAYS} times a second delivery was not refused: it made no claim, or the machine is too slow").into())
}

async fn play_once(args: &Cli, folder: &Path, scenario: Scenario, host: Host) -> Result<Option<String>, Failed> {
    let program = host.path(&args.programs);
    let path = program.display().to_string();
    let functions = [(NAMESPACE, &*path)];
    let functions = if host == Host::Lambda { &functions[..] } else { &[] };
    // One message in each invocation: otherwise two deliveries could be in one batch, which processes one of them.
    let parameters = [&[("BatchSize", "1")], scenario.parameters()].concat();
    let stack = Arc::new(TestStack::start(functions, &parameters).await);
    let log = folder.join(format!("{host:?}-{scenario:?}"));
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
                processes,
                refused: Arc::default(),
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
        Host::WorkerStorageQueue => on!(StorageQueue::new().await?),
        Host::AzureFunctions => on!(AzureFunctions::new().await?),
        Host::CloudTasks => on!(CloudTasks::new(Arc::clone(&stack)).await?),
        Host::PubSub => on!(PubSub::new(Arc::clone(&stack), DEADLINE)),
    }
}

impl<D: Driver> Case<D> {
    async fn play(mut self) -> Result<Option<String>, Failed> {
        self.start().await?;
        if self.has_two() {
            self.start().await?;
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
        let mut address = None;
        until("the process is ready", async || {
            address = process.address()?;
            let Some(address) = &address else { return Ok(false) };
            let url = format!("http://{address}/ready");
            let answer = call(Method::GET, &url, &HeaderMap::new(), Vec::new()).await?;
            Ok(answer.status().is_success())
        })
        .await?;
        if self.host.is_called() {
            self.driver.set_address(address);
        }
        self.processes.push(process);
        Ok(())
    }

    /// A worker settles another delivery of a message that it has together with that one. So another process must get it.
    fn has_two(&self) -> bool {
        self.scenario == Scenario::AtOnce
            && matches!(
                self.host,
                Host::WorkerSqs | Host::WorkerRabbitmq | Host::WorkerStorageQueue
            )
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let stack = &self.stack.stack;
        let texts = [
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", stack.endpoint()),
            ("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true"),
            ("IDEMPOTENCY_TABLE", "idempotency"),
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
        let concurrency = if self.has_two() { "1" } else { "10" };
        environment.push(("CONCURRENCY", concurrency.to_owned()));
        environment.extend(self.driver.environment());
        environment
    }

    /// Kills the process that has a message.
    pub(crate) async fn kill(&mut self) -> Result<(), Failed> {
        self.driver.set_address(None);
        match self.processes.pop() {
            Some(process) => process.kill().await,
            None => {
                until("a process is killed", async || {
                    Ok(self.stack.stack.lambda().kill(NAMESPACE) > 0)
                })
                .await
            }
        }
    }

    /// Waits until the message is finished and gone, also after the process has ended in order.
    async fn settle(&mut self, key: &str) -> Result<(), Failed> {
        for _ in 0..STOPS {
            until("the message is finished", async || self.is_finished(key).await).await?;
            self.driver.set_address(None);
            for process in self.processes.drain(..) {
                process.stop(|| self.driver.end_waits()).await?;
            }
            if self.driver.left().await? == 0 {
                return Ok(());
            }
            // RabbitMQ does not show what a process has, and gets back what that had not begun.
            let claims = self.stack.requests("PutItem");
            self.start().await?;
            let claimed = async || Ok(self.stack.requests("PutItem") > claims);
            until("a message that was left is claimed", claimed).await?;
        }
        Err(format!("{} messages are left after each stop", self.driver.left().await?).into())
    }

    pub(crate) async fn is_finished(&self, key: &str) -> Result<bool, Failed> {
        let record = self.stack.record(NAMESPACE, key);
        let is_recorded = record.is_some_and(|record| record.status != "INPROGRESS");
        let is_over = is_recorded || !self.driver.dead_letters().await?.is_empty();
        Ok(is_over && self.driver.left().await? == 0)
    }

    async fn seen(&self, key: &str) -> Result<Seen, Failed> {
        let notifications = self.receiver().notifications();
        let token = Key::new(NAMESPACE, key)?.token();
        if let Some(other) = notifications.keys().find(|other| **other != token) {
            return Err(format!("a request had the idempotency key {other}, not {token}").into());
        }
        let record = self.stack.record(NAMESPACE, key);
        Ok(Seen {
            record: record.map_or_else(String::new, |record| record.status),
            dead_letters: self.driver.dead_letters().await?,
            puts: self.stack.requests("PutItem"),
            refused: self.refused.load(Ordering::SeqCst),
            effects: notifications.values().map(|notified| notified.accepted).sum(),
        })
    }

    /// Ends the lease of a killed process, as if its time had passed.
    pub(crate) fn end_lease(&self, key: &str) -> Result<(), Failed> {
        let request = json!({
            "TableName": "idempotency",
            "Key": { "id": { "S": format!("{NAMESPACE}#{key}") } },
            "UpdateExpression": "SET in_progress_expiration = :past",
            "ConditionExpression": "#s = :in_progress",
            "ExpressionAttributeNames": { "#s": "status" },
            "ExpressionAttributeValues": { ":past": { "N": "1" }, ":in_progress": { "S": "INPROGRESS" } },
        });
        match self.stack.stack.dynamodb().call("UpdateItem", request) {
            Reply::Answer(Ok(_)) => Ok(()),
            Reply::Answer(Err(error)) => Err(format!("UpdateItem: {error:?}").into()),
            _ => Err("UpdateItem: no answer".into()),
        }
    }
}
