//! A function's processes, with Lambda's Runtime API and a ledger of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::serve::ListenerExt;
use emulator::Services;
use emulator::dynamodb::{DynamoDb, Fault, FaultKind, Reply};
use emulator::lambda::{Event, Function, Lambda};
use emulator::sqs::Sqs;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::orders::{Order, event};
use crate::{Failed, clock};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const TABLE: &str = "idempotency";
const FUNCTION: &str = "validate-order";

/// Longer than any batch that is measured, also under valgrind.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What a store may request of a table.
const OPERATIONS: [&str; 6] = [
    "BatchExecuteStatement",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
];

/// A program to measure, and its settings.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    /// What runs it, such as valgrind.
    pub(crate) under: Vec<String>,
    pub(crate) mode: Option<&'static str>,
}

impl Program {
    /// The Lambda runtime alone.
    pub(crate) fn floor(folder: &Path) -> Result<Self, Failed> {
        Self::new("floor", folder, "floor", None)
    }

    /// The function, in both modes.
    pub(crate) fn functions(folder: &Path) -> Result<[Self; 2], Failed> {
        let function = |name, mode| Self::new(name, folder, "validate_order", mode);
        Ok([
            function("claim-then-complete", None)?,
            function("one-step", Some("one-step"))?,
        ])
    }

    fn new(name: &'static str, folder: &Path, file: &str, mode: Option<&'static str>) -> Result<Self, Failed> {
        let path = folder.join(file);
        let path = path.canonicalize().map_err(|error| {
            let build = "cargo build --release -p lambda --example validate_order --example floor";
            format!("{}: {error}; build it: {build}", path.display())
        })?;
        Ok(Self {
            name,
            path,
            under: Vec::new(),
            mode,
        })
    }
}

/// A running stack.
pub(crate) struct Stack {
    lambda: Arc<Lambda>,
    pub(crate) dynamodb: Arc<DynamoDb>,
    connections: Arc<AtomicU64>,
    events: UnboundedReceiver<Event>,
    pids: Vec<u32>,
    servers: [JoinHandle<()>; 2],
}

impl Stack {
    /// A stack whose ledger answers after `latency`. No process runs yet.
    pub(crate) async fn start(program: &Program, latency: Duration) -> Result<Self, Failed> {
        let services = Services::new(Sqs::new("http://127.0.0.1:1", REGION), ledger(latency)?);
        let dynamodb = Arc::clone(services.dynamodb());
        let connections = Arc::default();
        let (ledger_url, ledger) = serve(services.router(), &connections).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (observer, events) = unbounded_channel();
        let address = listener.local_addr()?.to_string();
        let lambda = Lambda::new(&address, REGION, vec![function(program, &ledger_url)], observer);
        // On valgrind a process takes its time.
        lambda.set_init_limit(TIMEOUT);
        let runtime_api = listen(listener, lambda.router(), &Arc::default());
        Ok(Self {
            lambda,
            dynamodb,
            connections,
            events,
            pids: Vec::new(),
            servers: [ledger, runtime_api],
        })
    }

    /// Starts a process. Returns the time until it requested its first invocation.
    pub(crate) async fn init(&mut self) -> Result<Duration, Failed> {
        let begun = Instant::now();
        self.lambda.start_each().await;
        let taken = begun.elapsed();
        self.look()?;
        match self.pids.is_empty() {
            true => Err("no process was started".into()),
            false => Ok(taken),
        }
    }

    /// Invokes the function with these messages, all of which must be acknowledged. Returns the time until its response.
    pub(crate) async fn invoke(&self, orders: &[Order]) -> Result<Duration, Failed> {
        let answer = self.lambda.invoke(FUNCTION, event(orders)).await?;
        if let Some(reason) = answer.reason() {
            return Err(reason.into());
        }
        let response: Value = serde_json::from_slice(&answer.payload)?;
        match response["batchItemFailures"].as_array().map(Vec::len) {
            Some(0) => Ok(answer.duration),
            _ => Err(format!("messages were not acknowledged: {response}").into()),
        }
    }

    /// Reads what happened, so that it does not pile up, and learns the process IDs.
    pub(crate) fn look(&mut self) -> Result<(), Failed> {
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::ProcessStarted { pid, .. } => self.pids.push(pid),
                Event::ProcessEnded { how, .. } => return Err(format!("a process has ended: {how}").into()),
                Event::InitFailed { reason, .. } => return Err(reason.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// CPU time of all processes so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Failed> {
        let times = self.pids.iter().map(|pid| clock::of_process(*pid));
        Ok(times.sum::<std::io::Result<Duration>>()?)
    }

    /// How many processes were started.
    pub(crate) fn environments(&self) -> u64 {
        self.pids.len() as u64
    }

    /// The first process.
    pub(crate) fn pid(&self) -> Result<u32, Failed> {
        self.pids.first().copied().ok_or_else(|| "no process".into())
    }

    /// Requests to the ledger so far, by operation.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        self.dynamodb
            .requests()
            .into_iter()
            .filter(|(name, _)| name != "CreateTable")
            .collect()
    }

    /// Connections to the ledger so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Ends the processes.
    pub(crate) async fn stop(self) {
        self.lambda.shutdown().await;
        self.servers.iter().for_each(JoinHandle::abort);
    }

    /// Waits until a process has ended by itself.
    pub(crate) async fn ended(&mut self) {
        while let Some(event) = self.events.recv().await {
            if matches!(event, Event::ProcessEnded { .. }) {
                return;
            }
        }
    }
}

/// An empty ledger.
pub(crate) fn ledger(latency: Duration) -> Result<DynamoDb, Failed> {
    let dynamodb = DynamoDb::in_memory(REGION)?;
    let table = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    call(&dynamodb, "CreateTable", table)?;
    for operation in OPERATIONS.iter().filter(|_| !latency.is_zero()) {
        dynamodb.inject(Fault {
            operation: (*operation).to_owned(),
            containing: None,
            times: u32::MAX,
            kind: FaultKind::Delay(latency),
        });
    }
    Ok(dynamodb)
}

/// A request to the tables without a network.
pub(crate) fn call(dynamodb: &DynamoDb, operation: &str, request: Value) -> Result<Value, Failed> {
    match dynamodb.call(operation, request) {
        Reply::Answer(answer) => Ok(answer?),
        Reply::Lost => Err("a reply was lost".into()),
    }
}

fn function(program: &Program, ledger: &str) -> Function {
    let settings = [("IDEMPOTENCY_TABLE", TABLE), ("AWS_ENDPOINT_URL_DYNAMODB", ledger)];
    let mode = program.mode.map(|mode| ("MODE", mode));
    let own = settings.into_iter().chain(mode);
    Function {
        name: FUNCTION.to_owned(),
        command: program
            .under
            .iter()
            .cloned()
            .chain([program.path.display().to_string()])
            .collect(),
        environment: own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        timeout: TIMEOUT,
        memory_mb: 128,
    }
}

async fn serve(router: Router, connections: &Arc<AtomicU64>) -> Result<(String, JoinHandle<()>), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((url, listen(listener, router, connections)))
}

/// Serves the routes, and counts connections.
fn listen(listener: TcpListener, router: Router, connections: &Arc<AtomicU64>) -> JoinHandle<()> {
    let connections = Arc::clone(connections);
    let listener = listener.tap_io(move |stream| {
        connections.fetch_add(1, Ordering::Relaxed);
        // Best effort: a connection that has ended already has no options.
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    })
}
