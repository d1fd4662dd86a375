//! What is done to the processes of a scenario.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use workers::Line;

use crate::Failed;
use crate::faults::{Fault, Kind};
use crate::harness::{Harness, PATIENCE};
use crate::queues::Queues;
use crate::servers::{Ending, Server};

impl Harness {
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
                Err(_) if traffic => self.queues.send_order(&mut self.orders).await?,
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
        self.note_cut(place, database, Instant::now());
        if let Some(proxy) = self.places[place].proxy(database) {
            proxy.cut();
        }
    }

    /// Cuts them, and refuses new ones or leaves them without an answer for this long.
    pub(crate) fn cut_for(&mut self, place: usize, database: bool, line: Line, time: Duration) {
        let until = Instant::now() + time;
        self.note_cut(place, database, until);
        if let Some(proxy) = self.places[place].proxy(database) {
            proxy.set(line);
        }
        self.places[place].out_until = Some(until);
    }

    /// A cut between worker and queue explains nothing: the effect is recorded in the ledger all the same.
    fn note_cut(&mut self, place: usize, database: bool, until: Instant) {
        if database || self.places[place].database.is_none() {
            self.note(Kind::Cut, place, until);
        }
    }

    /// Kills the database with SIGKILL, by this command, which starts it again.
    pub(crate) async fn kill_database(&mut self, command: &str) -> Result<(), Failed> {
        let from = Instant::now();
        let killed = tokio::process::Command::new("bash").arg(command).status().await?;
        self.database_was_killed(from);
        match killed.success() {
            true => Ok(()),
            false => Err(format!("{command} could not kill the database and start it again: {killed}").into()),
        }
    }

    /// Kills the broker with SIGKILL, or lets it end in order, ends a process meanwhile, and starts both again: how long the
    /// process took. The broker explains no repeated effect: the ledger is there, and processes go on.
    pub(crate) async fn restart_broker(
        &mut self,
        server: &Server,
        ending: Ending,
        place: usize,
    ) -> Result<Duration, Failed> {
        server.end(ending).await?;
        let took = self.end(place, false).await?;
        server.start().await?;
        if let Queues::RabbitMq(broker) = &self.queues {
            broker.count_deliveries().await?;
        }
        self.run(place)?;
        Ok(took)
    }

    /// Notes that the database of all processes was killed until now.
    fn database_was_killed(&mut self, from: Instant) {
        for place in 0..self.places.len() {
            self.faults.push(Fault {
                kind: Kind::DatabaseKilled,
                instance: self.instance(place),
                from,
                until: Instant::now(),
            });
        }
    }
}
