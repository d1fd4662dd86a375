//! The end of the process: the listener closes, and requests that have begun are answered.

use std::net::SocketAddr;
use std::time::Duration;

use consumer::{Limits, MemoryQueues, QueueError, QueueMessage, Queues};
use producer::Producer;
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::harness::{Shared, callers, order};
use crate::app::{App, router};
use crate::serve::{DRAIN, serve, stop};

/// A queue that confirms each message once the test permits it.
struct Gate {
    begun: Semaphore,
    permitted: Semaphore,
}

impl Queues for Gate {
    async fn send(&self, _: &str, _: &[QueueMessage]) -> Result<(), QueueError> {
        self.begun.add_permits(1);
        self.permitted.acquire().await.unwrap().forget();
        Ok(())
    }

    fn limits(&self, queue: &str) -> Limits {
        MemoryQueues::new().limits(queue)
    }
}

/// An application that serves until it is stopped.
struct Served {
    gate: Shared<Gate>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<bool>,
}

impl Served {
    async fn start() -> Self {
        let gate = Gate {
            begun: Semaphore::new(0),
            permitted: Semaphore::new(0),
        };
        let gate = Shared(gate.into());
        let router = router(App {
            // The time limit plays no part here.
            producer: Producer::new(gate.clone(), "orders").with_time_limit(Duration::MAX),
            records: Shared::default(),
            callers: callers(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap() };
        let served = tokio::spawn(async move { serve(listener, router, stopped, DRAIN).await.unwrap() });
        Self {
            gate,
            address,
            stop: Some(stop),
            served,
        }
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Begins to place an order, and returns once the queue has the message.
    async fn begin(&self) -> TcpStream {
        let body = order("o-1", "eve").to_string();
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-of-ada\r\nIdempotency-Key: k-1\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        self.gate.0.begun.acquire().await.unwrap().forget();
        connection
    }

    async fn until_closed(&self) {
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_request_that_has_begun_is_answered_after_the_listener_closed() {
    let mut served = Served::start().await;
    let mut connection = served.begin().await;
    // Without a request, a connection does not hold up the end.
    let idle = TcpStream::connect(served.address).await.unwrap();
    served.stop();
    served.until_closed().await;
    assert!(!served.served.is_finished());
    served.gate.0.permitted.add_permits(1);
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
    assert!(served.served.await.unwrap(), "cut off");
    drop(idle);
}

#[tokio::test]
async fn a_request_that_takes_too_long_does_not_hold_up_the_end() {
    let mut served = Served::start().await;
    let _connection = served.begin().await;
    // From here on nothing is left but to wait, and time passes at once.
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    served.stop();
    assert!(!served.served.await.unwrap(), "not cut off");
    assert!(started.elapsed() >= DRAIN);
}

#[tokio::test]
async fn sigterm_and_sigint_stop_even_before_the_first_poll() {
    for signal in [Signal::TERM, Signal::INT] {
        let stop = stop().unwrap();
        kill_process(getpid(), signal).unwrap();
        stop.await;
    }
}
