//! A worker's life: started, started again after it has ended, stopped.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use emulator::lambda::{Event, Observer, run_child};
use emulator::sqs::Sqs;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::program::Program;
use crate::group::Group;

/// What a worker needs beside its drain: a long poll of 20 seconds that can't be ended, at another endpoint, and 10 seconds for
/// its last requests.
const GRACE: Duration = Duration::from_secs(40);

/// How often the long polls of a worker that stops are ended: it may begin another one before it notices.
const NUDGE: Duration = Duration::from_millis(250);

pub(super) struct Supervisor {
    pub(super) program: Program,
    /// The emulated SQS, if the worker polls it.
    pub(super) sqs: Option<Arc<Sqs>>,
    pub(super) observer: Observer,
    pub(super) restarts: watch::Receiver<()>,
    pub(super) stop: CancellationToken,
}

enum Ended {
    /// With this reason.
    ByItself(String),
    /// It was stopped.
    OnRequest,
}

impl Supervisor {
    /// Runs the worker until it is to stop.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let begun = Instant::now();
            let how = match self.program.spawn() {
                Err(error) => format!("it can't be started: {error}"),
                Ok(child) => match self.follow(child).await {
                    Ended::ByItself(how) => how,
                    Ended::OnRequest => {
                        backoff = Backoff::default();
                        continue;
                    }
                },
            };
            let delay = backoff.after(begun.elapsed());
            let again = format!("starts again in {} s", delay.as_secs());
            self.report(&format!("ended: {how}; {again}"));
            tokio::select! {
                () = sleep(delay) => {}
                Ok(()) = self.restarts.changed() => backoff = Backoff::default(),
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Follows a worker to its end.
    async fn follow(&mut self, child: Child) -> Ended {
        let id = child.id().map(|id| id.to_string()).unwrap_or_default();
        let health = self.program.worker.health;
        let live = self.program.live;
        self.report(&format!("started: process {id}, health at http://{health}{live}"));
        let group = Group::of(&child, Signal::KILL);
        let ended = self.until_ended(child, &id, &group).await;
        group.dismiss();
        ended
    }

    async fn until_ended(&mut self, child: Child, id: &str, group: &Group) -> Ended {
        let observer = self.observer.clone();
        let function = self.program.worker.function.clone();
        let names = (function.as_str(), id);
        let mut ended = pin!(run_child(child, names, &observer, || group.signal(Signal::KILL)));
        tokio::select! {
            how = &mut ended => return Ended::ByItself(how),
            Ok(()) = self.restarts.changed() => {}
            () = self.stop.cancelled() => {}
        }
        let how = self.stopped(group, ended).await;
        self.report(&format!("stopped: {how}"));
        Ended::OnRequest
    }

    /// Stops a worker as an orchestrator does: SIGTERM, time to finish, SIGKILL.
    async fn stopped(&self, group: &Group, mut ended: Pin<&mut impl Future<Output = String>>) -> String {
        group.signal_leader(Signal::TERM);
        let limit = self.program.drain() + GRACE;
        let mut late = pin!(sleep(limit));
        loop {
            tokio::select! {
                how = &mut ended => return how,
                () = &mut late => break,
                () = sleep(NUDGE) => self.end_waits(),
            }
        }
        self.report(&format!("killed: it has not stopped within {} s", limit.as_secs()));
        group.signal(Signal::KILL);
        ended.await
    }

    fn end_waits(&self) {
        if let Some(sqs) = &self.sqs {
            sqs.end_waits(&self.program.worker.queue);
        }
    }

    fn report(&self, what: &str) {
        let function = self.program.worker.function.clone();
        let what = format!("{} {what}", self.program.noun);
        // Whether anyone still listens doesn't matter.
        let _ = self.observer.send(Event::Worker { function, what });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// Runs a shell script as a worker, and waits for its line `ready`.
    async fn running(script: &str) -> (CancellationToken, UnboundedReceiver<Event>) {
        let (observer, mut events) = unbounded_channel();
        let stop = CancellationToken::new();
        let supervisor = Supervisor {
            program: Program::of_script(script),
            sqs: None,
            observer,
            restarts: watch::Sender::new(()).subscribe(),
            stop: stop.clone(),
        };
        tokio::spawn(supervisor.run());
        loop {
            match events.recv().await {
                Some(Event::Log { line, .. }) if line == "ready" => return (stop, events),
                Some(_) => {}
                None => panic!("the worker is not ready"),
            }
        }
    }

    /// What happens to it from now on.
    async fn reports(mut events: UnboundedReceiver<Event>) -> Vec<String> {
        let mut reports = Vec::new();
        while let Some(event) = events.recv().await {
            if let Event::Worker { what, .. } = event {
                reports.push(what);
            }
        }
        reports
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_stop_is_killed_after_its_drain() {
        let (stop, events) = running("trap '' TERM; echo ready; while :; do sleep 0.1; done").await;
        stop.cancel();
        assert_eq!(
            reports(events).await,
            [
                "worker killed: it has not stopped within 45 s",
                "worker stopped: signal: killed"
            ]
        );
    }

    #[tokio::test]
    async fn a_worker_that_stops_is_not_started_again() {
        let (stop, events) = running("trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done").await;
        stop.cancel();
        assert_eq!(reports(events).await, ["worker stopped: exit status 0"]);
    }
}
