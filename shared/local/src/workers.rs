//! Functions that run as workers: long-lived processes that poll their queues themselves.

mod backoff;
mod program;
mod supervisor;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use emulator::lambda::Observer;
use emulator::sqs::Sqs;
use sam::Template;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::program::{Program, Surroundings, programs, programs_with};
use self::supervisor::Supervisor;

/// A worker that connects takes less than a second, also on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(50);

/// A function can't run as a worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The template has no function of that name.
    #[error("no function {name} to run as a worker: there is {}{meant}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The functions of the template.
        known: Vec<String>,
        /// The one that is probably meant, as a sentence to append.
        meant: String,
    },
    /// No queue triggers the function.
    #[error("{function} can't run as a worker: no enabled event source mapping names the queue that it would poll")]
    NoQueue {
        /// The function's name.
        function: String,
    },
    /// No port is free for a worker's health and metrics.
    #[error("no port of 127.0.0.1 can be used for the health of workers")]
    Health(#[source] std::io::Error),
}

/// The functions of these names.
pub(crate) fn named(names: &[String], template: &Template) -> Result<BTreeSet<String>, WorkerError> {
    let known: Vec<_> = template
        .functions
        .iter()
        .map(|function| function.name.clone())
        .collect();
    for name in names {
        if !known.contains(name) {
            return Err(WorkerError::Unknown {
                name: name.clone(),
                meant: cli::did_you_mean(name, known.iter().map(String::as_str)),
                known,
            });
        }
        let mut mappings = template.mappings.iter();
        if !mappings.any(|mapping| mapping.enabled && mapping.function == *name) {
            return Err(WorkerError::NoQueue { function: name.clone() });
        }
    }
    Ok(names.iter().cloned().collect())
}

/// A worker of a running stack.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The name of the function whose handler it runs.
    pub function: String,
    /// The name of the queue that it polls.
    pub queue: String,
    /// Where it serves `/live`, `/ready` and `/metrics`.
    pub health: SocketAddr,
}

/// The workers of a running stack. Dropped without being stopped, they are killed.
pub struct Workers {
    workers: Vec<Worker>,
    restarts: watch::Sender<()>,
    stop: CancellationToken,
    supervisors: Vec<AbortOnDropHandle<()>>,
}

impl Workers {
    /// Starts these programs, and starts each again when it ends.
    pub(crate) fn start(programs: Vec<Program>, sqs: Option<&Arc<Sqs>>, observer: &Observer) -> Self {
        let (restarts, stop) = (watch::Sender::new(()), CancellationToken::new());
        let workers = programs.iter().map(|program| program.worker.clone()).collect();
        let supervisors = programs.into_iter().map(|program| {
            if let Some(sqs) = sqs {
                sqs.report_deletes(&program.worker.queue);
            }
            let supervisor = Supervisor {
                program,
                sqs: sqs.cloned(),
                observer: observer.clone(),
                restarts: restarts.subscribe(),
                stop: stop.clone(),
            };
            AbortOnDropHandle::new(tokio::spawn(supervisor.run()))
        });
        Self {
            workers,
            supervisors: supervisors.collect(),
            restarts,
            stop,
        }
    }

    /// All of them, in the order of the template's mappings.
    pub fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter()
    }

    /// What stops each worker in order and starts it again, from its program as it is then.
    pub fn restart(&self) -> impl Fn() + Send + Sync + 'static {
        let restarts = self.restarts.clone();
        move || restarts.send_replace(())
    }

    /// Waits until each is ready. One that ends, and is started again, is not waited for endlessly.
    pub(crate) async fn ready(&self) {
        let all = async {
            for worker in &self.workers {
                while !is_ready(worker.health).await {
                    sleep(PAUSE).await;
                }
            }
        };
        // Why one is not is among its reports.
        let _ = timeout(READY_WITHIN, all).await;
    }

    /// Requests each to stop. They go on for as long as messages in process take.
    pub(crate) fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until all have ended, after [`request_stop`](Self::request_stop).
    pub(crate) async fn ended(&mut self) {
        for supervisor in self.supervisors.drain(..) {
            // It does not panic, and is not aborted.
            let _ = supervisor.await;
        }
    }
}

/// Whether `/ready` answers 200 there.
async fn is_ready(health: SocketAddr) -> bool {
    let request = async {
        let mut stream = TcpStream::connect(health).await?;
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n")
            .await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.map(|_| status)
    };
    request.await.is_ok_and(|status| status == *b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests;
