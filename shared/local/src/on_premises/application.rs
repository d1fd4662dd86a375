//! The HTTP application, which enqueues for the first worker.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use emulator::lambda::Observer;

use super::ServerError;
use super::broker::Broker;
use super::database::Database;
use super::server::free_ports;
use crate::build::Example;
use crate::workers::{Program, Worker, Workers};

pub(super) const EXAMPLE: Example = Example {
    package: "producer",
    name: "http",
};

/// The callers that it knows, with their tokens.
const CALLERS: &str = "ada=token-of-ada";

/// How long its requests may take after it was requested to stop. The application has no such setting; its supervisor reads it.
const DRAIN_SECONDS: &str = "20";

/// Starts the application for the queue of the first worker, at a port that is free.
pub(super) async fn start(
    path: Option<PathBuf>,
    workers: &Workers,
    broker: &Broker,
    database: &Database,
    observer: &Observer,
) -> Result<Option<Workers>, ServerError> {
    let (Some(path), Some(first)) = (path, workers.iter().next()) else {
        return Ok(None);
    };
    // Before they have declared their queues, it could only refuse.
    workers.ready().await;
    let [port] = free_ports()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let environment = [
        ("CALLERS", CALLERS.to_owned()),
        ("DATABASE_URL", database.url()),
        ("DRAIN_SECONDS", DRAIN_SECONDS.to_owned()),
        ("LISTEN", address.to_string()),
        ("ORDERS_QUEUE_URL", broker.url(&first.queue)),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let about = Worker {
        function: EXAMPLE.name.to_owned(),
        queue: first.queue.clone(),
        health: address,
    };
    let program = Program::application(about, path, environment.into());
    Ok(Some(Workers::start(vec![program], None, observer)))
}
