//! A served [`Lambda`] with one function, and a place where that function can be held.

use std::{env, future::pending, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use super::{
    super::{Event, Function, Invocation, Lambda},
    function::{ARGUMENTS, START},
    http::{self, Answer},
};

/// Longer than anything here takes on a busy machine; a test that waits so long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Stack {
    pub(super) lambda: Arc<Lambda>,
    pub(super) address: String,
    events: UnboundedReceiver<Event>,
}

pub(super) fn function(start: &str, timeout: Duration) -> Function {
    let program = env::current_exe().unwrap().to_str().unwrap().to_owned();
    Function {
        name: "test".to_owned(),
        command: [program].into_iter().chain(ARGUMENTS.map(str::to_owned)).collect(),
        environment: [(START.to_owned(), start.to_owned())].into(),
        timeout,
        memory_mb: 128,
    }
}

impl Stack {
    pub(super) async fn new() -> Self {
        Self::with(function("well", PATIENCE)).await
    }

    pub(super) async fn with_timeout(timeout: Duration) -> Self {
        Self::with(function("well", timeout)).await
    }

    pub(super) async fn with(function: Function) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (observer, events) = unbounded_channel();
        let lambda = Lambda::new(&address, "eu-west-1", vec![function], observer);
        lambda.set_init_limit(PATIENCE);
        let router = lambda.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            lambda,
            address,
            events,
        }
    }

    pub(super) async fn invoke(&self, order: Value) -> Invocation {
        self.lambda.invoke("test", order.to_string()).await.unwrap()
    }

    /// Begins an invocation that ends when its process is released from the gate.
    pub(super) fn invoke_held(&self, gate: &Gate) -> tokio::task::JoinHandle<Invocation> {
        let (lambda, order) = (Arc::clone(&self.lambda), gate.order());
        tokio::spawn(async move { lambda.invoke("test", order.to_string()).await.unwrap() })
    }

    /// Lets this much time pass at once, for all who wait here. Nobody should wait for something else meanwhile.
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    /// The next event that `pick` finds something in.
    pub(super) async fn event<T>(&mut self, pick: impl Fn(Event) -> Option<T>) -> T {
        let find = async {
            loop {
                match self.events.recv().await {
                    Some(event) => {
                        if let Some(found) = pick(event) {
                            return found;
                        }
                    }
                    None => pending().await,
                }
            }
        };
        timeout(PATIENCE, find).await.expect("no such event")
    }

    /// The next line that a process writes and that begins so.
    pub(super) async fn line(&mut self, beginning: &str) -> String {
        self.event(|event| match event {
            Event::Log { line, .. } => line.find(beginning).map(|at| line[at..].to_owned()),
            _ => None,
        })
        .await
    }

    /// The events so far.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    pub(super) async fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (address, line, body) = (self.address.clone(), line.to_owned(), body.to_owned());
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let request = move || {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            http::request(&address, &line, &headers, &body).unwrap()
        };
        tokio::task::spawn_blocking(request).await.unwrap()
    }
}

/// Where processes are held until a test lets them go on.
pub(super) struct Gate(TcpListener);

/// A process at the gate.
pub(super) struct Held {
    pub(super) pid: u32,
    connection: BufReader<TcpStream>,
}

impl Gate {
    pub(super) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The order that sends a function here.
    pub(super) fn order(&self) -> Value {
        json!({ "do": "hold", "at": self.address() })
    }

    pub(super) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Waits for the next process to come.
    pub(super) async fn arrival(&self) -> Held {
        let (connection, _) = timeout(PATIENCE, self.0.accept())
            .await
            .expect("no process came")
            .unwrap();
        let (mut connection, mut pid) = (BufReader::new(connection), String::new());
        connection.read_line(&mut pid).await.unwrap();
        Held {
            pid: pid.trim().parse().unwrap(),
            connection,
        }
    }
}

impl Held {
    pub(super) async fn release(mut self) {
        self.connection.write_all(b"!").await.unwrap();
    }

    /// Waits until the process is dead: only that closes its end.
    pub(super) async fn death(mut self) {
        let end = timeout(PATIENCE, self.connection.read(&mut [0]))
            .await
            .expect("it lives");
        assert!(matches!(end, Ok(0) | Err(_)), "it spoke: {end:?}");
    }
}
