//! What a scenario runs on: queues, a ledger, a receiver, and worker processes behind proxies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use workers::{Database, Found, Orders, Proxy, found_in};

use crate::Failed;
use crate::faults::Fault;
use crate::place::{Place, Program};
use crate::process::{Process, Usage};
use crate::queues::Queues;
use crate::receiver::{Pace, Receiver};

/// A worker hides a message for at least ten seconds, so a shorter visibility timeout would change nothing.
pub(crate) const VISIBILITY: Duration = Duration::from_secs(10);

/// Short, so that the drain cancels something.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);

/// Much longer than the last message takes on a busy machine: what is left by then is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a scenario runs on.
pub(crate) struct Harness {
    pub(crate) queues: Queues,
    pub(crate) receiver: Receiver,
    pub(crate) random: Rng,
    pub(crate) places: Vec<Place>,
    pub(crate) orders: Orders,
    pub(crate) faults: Vec<Fault>,
    /// Subjects of notifications that must arrive, besides those of orders.
    pub(crate) expected: BTreeSet<String>,
    database: Option<Database>,
    programs: PathBuf,
    /// Of log files.
    pub(crate) folder: PathBuf,
    instances: usize,
}

impl Harness {
    pub(crate) async fn start(
        programs: &Path,
        folder: PathBuf,
        queues: Queues,
        database: Option<Database>,
        seed: u64,
        pace: Pace,
    ) -> Result<Self, Failed> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            queues,
            receiver: Receiver::start(pace).await?,
            random: Rng::with_seed(seed),
            places: Vec::new(),
            orders: Orders::default(),
            faults: Vec::new(),
            expected: BTreeSet::new(),
            database,
            programs: programs.to_owned(),
            folder,
            instances: 0,
        })
    }

    /// Adds a place without a process, and returns its index.
    pub(crate) async fn add(&mut self, program: Program) -> Result<usize, Failed> {
        let database = match &self.database {
            Some(database) => Some(Proxy::start(&database.address).await?),
            None => None,
        };
        let queues = Proxy::start(self.queues.address()?).await?;
        self.places.push(Place::new(program, Some(queues), database));
        Ok(self.places.len() - 1)
    }

    /// The same without a proxy.
    pub(crate) fn add_directly(&mut self, program: Program) -> usize {
        self.places.push(Place::new(program, None, None));
        self.places.len() - 1
    }

    /// Starts the process of a place.
    pub(crate) fn run(&mut self, place: usize) -> Result<(), Failed> {
        self.instances += 1;
        let instance = self.instances;
        let environment = self.environment(place, instance)?;
        let program = self.places[place].program;
        let log = self.folder.join(format!("{instance}-{}.log", program.binary()));
        let place = &mut self.places[place];
        // Before it starts: it may connect while this process waits for the processor.
        place.accepted = place.accepted();
        let process = Process::start(&self.programs.join(program.binary()), &environment, &log, instance)?;
        place.process = Some(process);
        Ok(())
    }

    fn environment(&self, place: usize, instance: usize) -> Result<BTreeMap<&'static str, String>, Failed> {
        let place = &self.places[place];
        let address = |proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| proxy.address.to_string());
        let queues = address(&place.queues).map_or_else(|| self.queues.address().map(str::to_owned), Ok)?;
        let mut environment = self.queues.environment(&queues, place.program.queue());
        environment.extend([
            ("ORDERS_TABLE", "orders".to_owned()),
            ("CUSTOMERS_TABLE", "customers".to_owned()),
            ("NOTIFICATION_URL", self.receiver.url(instance)),
            ("DRAIN_SECONDS", DRAIN.as_secs().to_string()),
            ("HEALTH_ADDRESS", "127.0.0.1:0".to_owned()),
            ("REQUEST_TIMEOUT_SECONDS", "1".to_owned()),
            ("RETRY_DELAY_LONGEST_SECONDS", "1".to_owned()),
            ("MAX_RECEIVE_COUNT", "1000".to_owned()),
        ]);
        environment.extend(match &self.database {
            Some(database) => {
                let address = address(&place.database).unwrap_or_else(|| database.address.clone());
                [("DATABASE_URL", database.url_at(&address))]
            }
            None => [("IDEMPOTENCY_TABLE", "idempotency".to_owned())],
        });
        Ok(environment)
    }

    /// Waits a random time, in milliseconds.
    pub(crate) async fn pause(&mut self, from: u64, to: u64) {
        let pause = Duration::from_millis(self.random.u64(from..=to));
        self.places.iter_mut().for_each(Place::restore_lines);
        tokio::time::sleep(pause).await;
    }

    pub(crate) fn instance(&self, place: usize) -> usize {
        self.places[place]
            .process
            .as_ref()
            .map_or(0, |process| process.instance)
    }

    /// Waits until the process handles signals.
    pub(crate) async fn connected(&mut self, place: usize) -> Result<(), Failed> {
        let begun = Instant::now();
        while !self.places[place].has_connected() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("process {} never connected", self.instance(place)).into());
            }
            self.pause(2, 2).await;
        }
        Ok(())
    }

    /// What the process of a place has used.
    pub(crate) fn usage(&self, place: usize) -> Result<Usage, Failed> {
        match &self.places[place].process {
            Some(process) => process.usage(),
            None => Err(format!("place {place} has no process").into()),
        }
    }

    /// Waits until no message is left, and none comes back.
    pub(crate) async fn settle(&mut self) -> Result<(), Failed> {
        let (begun, mut empty) = (Instant::now(), 0);
        while empty < 10 || self.queues.held().await? > 0 {
            if begun.elapsed() > PATIENCE {
                let left = self.queues.left().await? + self.queues.held().await?;
                return Err(format!(
                    "promise 5: after {PATIENCE:?}, {left} messages are neither done nor dead letters"
                )
                .into());
            }
            self.pause(50, 100).await;
            empty = if self.queues.left().await? == 0 { empty + 1 } else { 0 };
        }
        Ok(())
    }

    /// Ends all processes at once: nothing is left to do.
    pub(crate) async fn kill_all(&mut self) -> Result<(), Failed> {
        for place in 0..self.places.len() {
            self.kill(place).await?;
        }
        Ok(())
    }

    /// The database of the ledger.
    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    pub(crate) async fn found(&self) -> Result<Found, Failed> {
        match &self.database {
            Some(database) => database.found().await,
            None => match &self.queues {
                Queues::Sqs(stack) => Ok(found_in(stack.dynamodb())),
                Queues::RabbitMq(_) => Err("no database".into()),
            },
        }
    }
}
