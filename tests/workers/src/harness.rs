//! What a scenario runs on: queues, a ledger, a receiver, and worker processes behind proxies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use local::{Binaries, Options, Stack};
use rustix::process::Signal;
use tokio::sync::mpsc::unbounded_channel;

use crate::Failed;
use crate::faults::{Fault, Kind};
use crate::ledger::{Database, Found, found_in};
use crate::orders::Orders;
use crate::process::{Process, Usage};
use crate::proxy::{Line, Proxy};
use crate::receiver::{Pace, Receiver};

/// A worker hides a message for at least ten seconds, so a shorter visibility timeout would change nothing.
pub(crate) const VISIBILITY: Duration = Duration::from_secs(10);

/// Short, so that the drain cancels something.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);

/// Much longer than the last message takes on a busy machine: what is left by then is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Short times of the template; workers have settings of their own. No message is moved by its receive count.
const PARAMETERS: [(&str, &str); 5] = [
    ("FunctionTimeout", "1"),
    ("RequestTimeout", "1"),
    ("VisibilityTimeout", "10"),
    ("MaxReceiveCount", "1000"),
    ("NotificationUrl", "http://127.0.0.1:1"),
];

/// What a worker process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    PlaceOrder,
    SendNotification,
    /// A handler that takes as long as its message states.
    Wait,
    /// Receives and deletes.
    Plain,
}

impl Program {
    fn binary(self) -> &'static str {
        match self {
            Self::PlaceOrder => "place-order-worker",
            Self::SendNotification => "send-notification-worker",
            Self::Wait => "wait-worker",
            Self::Plain => "plain-loop",
        }
    }

    pub(crate) fn queue(self) -> &'static str {
        match self {
            Self::PlaceOrder => "orders",
            Self::SendNotification | Self::Wait | Self::Plain => "notifications",
        }
    }
}

/// The place of one process, and of those that follow it.
pub(crate) struct Place {
    pub(crate) program: Program,
    pub(crate) process: Option<Process>,
    /// In front of SQS and DynamoDB; none where speed is measured.
    aws: Option<Proxy>,
    /// In front of PostgreSQL.
    database: Option<Proxy>,
    /// Connections that there were when its process started.
    accepted: usize,
    /// Connections are refused until then.
    out_until: Option<Instant>,
}

impl Place {
    fn accepted(&self) -> usize {
        self.aws.as_ref().map_or(0, Proxy::accepted) + self.database.as_ref().map_or(0, Proxy::accepted)
    }

    /// Its process has connected to its queue or its ledger: it handles signals.
    fn has_connected(&self) -> bool {
        self.accepted() > self.accepted
    }
}

/// What a scenario runs on.
pub(crate) struct Harness {
    pub(crate) stack: Stack,
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
        database: Option<Database>,
        seed: u64,
        pace: Pace,
    ) -> Result<Self, Failed> {
        fs::create_dir_all(&folder)?;
        // Nobody listens to what would be events of functions.
        let (observer, _) = unbounded_channel();
        let parameters = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options {
            parameters: BTreeMap::from(parameters),
            binaries: Binaries::Only(BTreeMap::new()),
            ..Options::new("template.yaml")
        };
        Ok(Self {
            stack: Stack::start(options, observer).await?,
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
        let aws = Proxy::start(self.stack.endpoint().trim_start_matches("http://")).await?;
        self.places.push(Place {
            program,
            process: None,
            aws: Some(aws),
            database,
            accepted: 0,
            out_until: None,
        });
        Ok(self.places.len() - 1)
    }

    /// The same without a proxy.
    pub(crate) fn add_directly(&mut self, program: Program) -> usize {
        self.places.push(Place {
            program,
            process: None,
            aws: None,
            database: None,
            accepted: 0,
            out_until: None,
        });
        self.places.len() - 1
    }

    /// Starts the process of a place.
    pub(crate) fn run(&mut self, place: usize) -> Result<(), Failed> {
        self.instances += 1;
        let instance = self.instances;
        let environment = self.environment(place, instance);
        let program = self.places[place].program;
        let log = self.folder.join(format!("{instance}-{}.log", program.binary()));
        let process = Process::start(&self.programs.join(program.binary()), &environment, &log, instance)?;
        let place = &mut self.places[place];
        place.accepted = place.accepted();
        place.process = Some(process);
        Ok(())
    }

    fn environment(&self, place: usize, instance: usize) -> BTreeMap<&'static str, String> {
        let Place {
            program, aws, database, ..
        } = &self.places[place];
        let queue = self.queue_url(program.queue());
        let aws = match aws {
            Some(proxy) => format!("http://{}", proxy.address),
            None => self.stack.endpoint().to_owned(),
        };
        let mut environment = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_REGION", self.stack.region()),
            ("AWS_ENDPOINT_URL_SQS", aws.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB", aws),
            ("QUEUE_URL", queue),
            ("ORDERS_TABLE", "orders".to_owned()),
            ("CUSTOMERS_TABLE", "customers".to_owned()),
            ("NOTIFICATIONS_QUEUE_URL", self.queue_url("notifications")),
            ("NOTIFICATION_URL", self.receiver.url(instance)),
            ("DRAIN_SECONDS", DRAIN.as_secs().to_string()),
            ("HEALTH_ADDRESS", "127.0.0.1:0".to_owned()),
            ("REQUEST_TIMEOUT_SECONDS", "1".to_owned()),
            ("RETRY_DELAY_LONGEST_SECONDS", "1".to_owned()),
        ]);
        match (&self.database, database) {
            (Some(database), Some(proxy)) => {
                environment.insert("DATABASE_URL", database.url_at(&proxy.address.to_string()))
            }
            _ => environment.insert("IDEMPOTENCY_TABLE", "idempotency".to_owned()),
        };
        environment
    }

    pub(crate) fn queue_url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.stack.endpoint())
    }

    /// Waits a random time, in milliseconds.
    pub(crate) async fn pause(&mut self, from: u64, to: u64) {
        let pause = Duration::from_millis(self.random.u64(from..=to));
        self.restore_lines();
        tokio::time::sleep(pause).await;
    }

    pub(crate) fn instance(&self, place: usize) -> usize {
        self.places[place]
            .process
            .as_ref()
            .map_or(0, |process| process.instance)
    }

    /// What the process of a place has used.
    pub(crate) fn usage(&self, place: usize) -> Result<Usage, Failed> {
        match &self.places[place].process {
            Some(process) => process.usage(),
            None => Err(format!("place {place} has no process").into()),
        }
    }

    fn note(&mut self, kind: Kind, place: usize, until: Instant) {
        let (instance, from) = (self.instance(place), Instant::now());
        self.faults.push(Fault {
            kind,
            instance,
            from,
            until,
        });
    }

    /// Kills the process, without a notice.
    pub(crate) async fn kill(&mut self, place: usize) -> Result<(), Failed> {
        self.note(Kind::Killed, place, Instant::now());
        match self.places[place].process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Stops the process until [`go_on`](Self::go_on).
    pub(crate) fn stop(&mut self, place: usize) -> Result<(), Failed> {
        self.note(Kind::Stopped, place, Instant::now() + PATIENCE);
        self.signal(place, Signal::STOP)
    }

    pub(crate) fn go_on(&mut self, place: usize) -> Result<(), Failed> {
        let instance = self.instance(place);
        self.signal(place, Signal::CONT)?;
        let of_place = |fault: &&mut Fault| fault.instance == instance && fault.kind == Kind::Stopped;
        if let Some(fault) = self.faults.iter_mut().rfind(of_place) {
            fault.until = Instant::now();
        }
        Ok(())
    }

    fn signal(&mut self, place: usize, signal: Signal) -> Result<(), Failed> {
        match &mut self.places[place].process {
            Some(process) => process.signal(signal),
            None => Err(format!("place {place} has no process").into()),
        }
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

    /// Requests the process to end, and waits until it has: how long it took. An exit code other than zero is an error.
    ///
    /// Orders are sent meanwhile if `traffic`: they end a long poll.
    pub(crate) async fn end(&mut self, place: usize, traffic: bool) -> Result<Duration, Failed> {
        self.note(Kind::Terminated, place, Instant::now() + PATIENCE);
        let begun = Instant::now();
        self.signal(place, Signal::TERM)?;
        let Some(mut process) = self.places[place].process.take() else {
            return Ok(Duration::ZERO);
        };
        let status = loop {
            match tokio::time::timeout(Duration::from_millis(100), process.ended()).await {
                Ok(status) => break status?,
                Err(_) if begun.elapsed() > PATIENCE => return Err("a process did not end after SIGTERM".into()),
                Err(_) if traffic => self.orders.send(self.stack.sqs()).await?,
                Err(_) => {}
            }
        };
        match status.success() {
            true => Ok(begun.elapsed()),
            false => Err(format!("process {} ended after SIGTERM with {status}, not 0", process.instance).into()),
        }
    }

    /// Cuts the connections of a process, to its queues or to its database.
    pub(crate) fn cut(&mut self, place: usize, database: bool) {
        self.note(Kind::Cut, place, Instant::now());
        if let Some(proxy) = self.proxy(place, database) {
            proxy.cut();
        }
    }

    /// Cuts them, and refuses new ones or leaves them without an answer for this long.
    pub(crate) fn cut_for(&mut self, place: usize, database: bool, line: Line, time: Duration) {
        let until = Instant::now() + time;
        self.note(Kind::Cut, place, until);
        if let Some(proxy) = self.proxy(place, database) {
            proxy.set(line);
        }
        self.places[place].out_until = Some(until);
    }

    fn proxy(&self, place: usize, database: bool) -> Option<&Proxy> {
        let Place { aws, database: own, .. } = &self.places[place];
        own.as_ref().filter(|_| database).or(aws.as_ref())
    }

    /// Opens lines whose time is over.
    fn restore_lines(&mut self) {
        let is_over = |place: &&mut Place| place.out_until.is_some_and(|until| until <= Instant::now());
        for place in self.places.iter_mut().filter(is_over) {
            place.out_until = None;
            for proxy in place.aws.iter().chain(&place.database) {
                proxy.set(Line::Open);
            }
        }
    }

    /// Notes that the database of all processes was killed until now.
    pub(crate) fn database_was_killed(&mut self, from: Instant) {
        for place in 0..self.places.len() {
            self.faults.push(Fault {
                kind: Kind::DatabaseKilled,
                instance: self.instance(place),
                from,
                until: Instant::now(),
            });
        }
    }

    /// How many messages these queues hold, visible or not.
    pub(crate) fn left(&self) -> usize {
        ["orders", "notifications"]
            .iter()
            .map(|queue| self.stack.sqs().peek(queue).len())
            .sum()
    }

    /// Waits until no message is left, and none comes back.
    pub(crate) async fn settle(&mut self) -> Result<(), Failed> {
        let (begun, mut empty) = (Instant::now(), 0);
        while empty < 10 {
            if begun.elapsed() > PATIENCE {
                let left = self.left();
                return Err(format!(
                    "promise 5: after {PATIENCE:?}, {left} messages are neither done nor dead letters"
                )
                .into());
            }
            self.pause(50, 100).await;
            empty = if self.left() == 0 { empty + 1 } else { 0 };
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

    pub(crate) async fn found(&self) -> Result<Found, Failed> {
        match &self.database {
            Some(database) => database.found().await,
            None => Ok(found_in(self.stack.dynamodb())),
        }
    }
}
