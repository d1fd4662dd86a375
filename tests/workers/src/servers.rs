//! The systems that scenarios run on, and their servers.

use std::collections::BTreeMap;

use clap::ValueEnum;
use cli::say;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use workers::Database;

use crate::Failed;
use crate::queues::Queues;
use crate::scenario::Scenario;

/// Where messages, ledger and orders are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum System {
    /// SQS and DynamoDB, emulated
    Aws,
    /// The emulated SQS and PostgreSQL
    Postgresql,
    /// RabbitMQ and PostgreSQL
    OnPremises,
}

/// The servers of the environment.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    database: Option<String>,
    /// A database that is killed, and the command that does it.
    pub(crate) crash: Option<(String, String)>,
    /// One scenario at a time kills it.
    crashing: Mutex<()>,
    pub(crate) broker: Option<Server>,
    /// A scenario that restarts the broker is alone on it.
    on_broker: RwLock<()>,
}

/// Held while a scenario runs.
#[derive(Debug, Default)]
pub(crate) struct Reserved<'a> {
    _alone: Option<RwLockWriteGuard<'a, ()>>,
    _beside: Option<RwLockReadGuard<'a, ()>>,
    _crashing: Option<MutexGuard<'a, ()>>,
}

impl Servers {
    pub(crate) fn from_env() -> Self {
        let set = |name| std::env::var(name).ok();
        Self {
            database: set("POSTGRES_TEST_URL"),
            crash: set("POSTGRES_CRASH_URL").zip(set("POSTGRES_CRASH")),
            crashing: Mutex::new(()),
            broker: Server::from_env(),
            on_broker: RwLock::new(()),
        }
    }

    /// The systems to run on: this one, or all whose servers are there.
    ///
    /// # Errors
    ///
    /// The servers of this one are missing.
    pub(crate) fn systems(&self, only: Option<System>) -> Result<Vec<System>, Failed> {
        let all = System::value_variants().iter().copied();
        match only {
            Some(system) if self.have(system) => Ok(vec![system]),
            Some(system) => Err(format!("{system:?} needs servers: run `.ci/servers .ci/soak`").into()),
            None => {
                let systems: Vec<_> = all.filter(|system| self.have(*system)).collect();
                if systems.len() < System::value_variants().len() {
                    say!("without RabbitMQ and PostgreSQL: `.ci/servers .ci/soak` starts them");
                }
                Ok(systems)
            }
        }
    }

    /// Whether those of a system are there.
    fn have(&self, system: System) -> bool {
        match system {
            System::Aws => true,
            System::Postgresql => self.database.is_some(),
            System::OnPremises => self.database.is_some() && self.broker.is_some(),
        }
    }

    /// Waits until a scenario can run: alone on what it ends.
    pub(crate) async fn reserve(&self, system: System, scenario: Scenario) -> Reserved<'_> {
        let mut reserved = Reserved::default();
        match system {
            System::OnPremises if scenario == Scenario::Restarts => {
                reserved._alone = Some(self.on_broker.write().await)
            }
            System::OnPremises => reserved._beside = Some(self.on_broker.read().await),
            System::Aws | System::Postgresql => {}
        }
        if scenario.kills_database(system) {
            reserved._crashing = Some(self.crashing.lock().await);
        }
        reserved
    }

    /// Queues, and tables for the ledger and the orders, with this name; in that database unless it is the usual one.
    pub(crate) async fn start(
        &self,
        system: System,
        name: &str,
        ordered: bool,
        database: Option<&str>,
    ) -> Result<(Queues, Option<Database>), Failed> {
        let url = database.or(self.database.as_deref()).filter(|_| system != System::Aws);
        let database = match url {
            Some(url) => Some(Database::create(url, &format!("{name}_{system:?}").to_lowercase()).await?),
            None => None,
        };
        let queues = match self.broker.as_ref().filter(|_| system == System::OnPremises) {
            Some(server) => Queues::rabbitmq(server, name.to_owned(), ordered).await?,
            None => Queues::sqs().await?,
        };
        Ok((queues, database))
    }
}

/// The server of `RABBITMQ_TEST_URL`, and the scripts `RABBITMQ_TEST_CTL` and `RABBITMQ_TEST_SERVER` that control it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    ctl: String,
    server: String,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By SIGKILL.
    Killed,
    /// By SIGTERM.
    Stopped,
}

impl Server {
    pub(crate) fn from_env() -> Option<Self> {
        let set = |name| std::env::var(name).ok();
        Some(Self {
            url: set("RABBITMQ_TEST_URL")?,
            ctl: set("RABBITMQ_TEST_CTL")?,
            server: set("RABBITMQ_TEST_SERVER")?,
        })
    }

    /// Publishes copies of deliveries from now on, until it ends.
    pub(crate) async fn trace(&self) -> Result<(), Failed> {
        run(&self.ctl, &["trace_on"]).await.map(drop)
    }

    /// The messages in each queue, those that consumers have included. As old as a tick of the queues, which is a second.
    pub(crate) async fn messages(&self) -> Result<BTreeMap<String, u64>, Failed> {
        let listed = run(
            &self.ctl,
            &["-q", "list_queues", "--no-table-headers", "name", "messages"],
        )
        .await?;
        let queue = |line: &str| {
            let (name, messages) = line.split_once('\t')?;
            Some((name.to_owned(), messages.trim().parse().ok()?))
        };
        Ok(listed.lines().filter_map(queue).collect())
    }

    pub(crate) async fn end(&self, ending: Ending) -> Result<(), Failed> {
        match ending {
            Ending::Killed => run(&self.server, &["kill"]).await.map(drop),
            Ending::Stopped => run(&self.server, &["stop"]).await.map(drop),
        }
    }

    pub(crate) async fn start(&self) -> Result<(), Failed> {
        run(&self.server, &["start"]).await?;
        self.trace().await
    }
}

async fn run(script: &str, arguments: &[&str]) -> Result<String, Failed> {
    let output = Command::new(script).args(arguments).output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!("{script} {arguments:?}: {}: {errors}", output.status).into()),
    }
}
