//! All functions and their processes: who runs an invocation.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::Bytes;
use futures_util::future::join_all;
use tokio::{process::Child, time::Instant};
use uuid::Uuid;

use super::{
    function::{Function, arn},
    invocation::{Failure, Invocation, InvokeError, check_payload},
    lock::lock,
    observer::{Event, Observer},
    process::{Process, Reply, Signal, Site},
};

/// How long a process may take until its first request for work, see
/// [Init phase](https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib).
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// The functions of the stack, and the processes that run them.
pub struct Lambda {
    address: String,
    region: String,
    functions: BTreeMap<String, Arc<Function>>,
    observer: Observer,
    /// In milliseconds.
    init_limit: AtomicU64,
    /// How much later than its deadline a process is killed, in milliseconds.
    kill_delay: AtomicU64,
    started: AtomicU64,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    /// By process ID.
    processes: BTreeMap<String, Arc<Process>>,
    closed: bool,
}

impl Lambda {
    /// The functions as they can be invoked from now on; no process is started before it is needed.
    ///
    /// `address` is the `host:port` under which [`Lambda::router`] is served. A process gets it with a path of its own, as
    /// `AWS_LAMBDA_RUNTIME_API`.
    pub fn new(address: &str, region: &str, functions: Vec<Function>, observer: Observer) -> Arc<Self> {
        let functions = functions
            .into_iter()
            .map(|function| (function.name.clone(), Arc::new(function)))
            .collect();
        Arc::new(Self {
            address: address.to_owned(),
            region: region.to_owned(),
            functions,
            observer,
            init_limit: AtomicU64::new(millis(INIT_LIMIT)),
            kill_delay: AtomicU64::new(0),
            started: AtomicU64::new(0),
            pool: Mutex::default(),
        })
    }

    /// Invokes a function, in an idle process or a new one, and waits for the answer.
    ///
    /// A function that fails is an answer too, see [`Invocation::failed`]. Once begun, the invocation goes on even if this
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// It could not be invoked at all: no such function, not JSON, more than 6 MB, shutting down.
    pub async fn invoke(
        self: &Arc<Self>,
        function: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Invocation, InvokeError> {
        let payload = payload.into();
        check_payload(&payload)?;
        let function = Arc::clone(self.find(function, None)?);
        let lambda = Arc::clone(self);
        // A task of its own, so that a caller who hangs up can't leave a process in the middle of an invocation.
        let running = tokio::spawn(async move { lambda.run(&function, payload).await });
        running.await.unwrap_or(Err(InvokeError::ShuttingDown))
    }

    /// Whether there is a function of this name.
    pub fn has(&self, function: &str) -> bool {
        self.functions.contains_key(function)
    }

    /// Starts a process of each function that has none, so that one that can't start is known before its first message:
    /// [`Event::InitFailed`]. The processes stay for the first invocations.
    pub async fn start_each(self: &Arc<Self>) {
        let functions = self.functions.values();
        join_all(functions.map(|function| self.start_one(function))).await;
    }

    async fn start_one(self: &Arc<Self>, function: &Arc<Function>) {
        let reply = match self.obtain(function) {
            Err(_shutting_down) => return,
            Ok(Err(failure)) => Reply::Failure(failure),
            Ok(Ok(process)) => match process.initialized(self.init_limit()).await {
                Ok(()) => return self.give_back(&process),
                Err(reply) => reply,
            },
        };
        if !lock(&self.pool).closed {
            let reason = Invocation::of(String::new(), reply).reason().unwrap_or_default();
            let function = function.name.clone();
            self.report(Event::InitFailed { function, reason });
        }
    }

    /// Lets the running invocations of the function end, and ends its processes. The next invocation starts a new one, from the
    /// program as it is then.
    pub fn retire(&self, function: &str) {
        let pool = lock(&self.pool);
        let processes = pool.processes.values();
        processes
            .filter(|process| process.function.name == function)
            .for_each(|process| process.retire());
    }

    /// Kills, with SIGKILL, every process of the function that has an unanswered invocation now; returns how many.
    pub fn kill(&self, function: &str) -> usize {
        let pool = lock(&self.pool);
        let of_function = pool
            .processes
            .values()
            .filter(|process| process.function.name == function);
        of_function.filter(|process| process.kill_working()).count()
    }

    /// The processes of the function that have an unanswered invocation now, as events name them.
    pub fn working(&self, function: &str) -> Vec<String> {
        let pool = lock(&self.pool);
        let of_function = pool
            .processes
            .values()
            .filter(|process| process.function.name == function);
        of_function
            .filter(|process| process.is_working())
            .map(|process| process.id.clone())
            .collect()
    }

    /// Sends a signal to a process and those that it started; returns whether it still runs.
    pub fn signal(&self, process: &str, signal: Signal) -> bool {
        self.process(process).is_some_and(|process| process.signal(signal))
    }

    /// From now on kills a process this much later than its deadline, as if nobody had noticed it in time. A process that was
    /// stopped can then go on after its lease. Zero on Lambda.
    pub fn set_kill_delay(&self, delay: Duration) {
        self.kill_delay.store(millis(delay), Ordering::Relaxed);
    }

    /// From now on gives a process this long until it requests its first invocation, for tests on machines that are slower than
    /// Lambda. Ten seconds on Lambda.
    pub fn set_init_limit(&self, limit: Duration) {
        self.init_limit.store(millis(limit), Ordering::Relaxed);
    }

    /// Ends all processes at once, whatever they do, and starts none any more. When this returns, none is left.
    pub async fn shutdown(&self) {
        let processes: Vec<_> = {
            let mut pool = lock(&self.pool);
            pool.closed = true;
            pool.processes.values().cloned().collect()
        };
        for process in &processes {
            process.kill_group();
        }
        for process in &processes {
            process.ended().await;
        }
    }

    /// The function of that name in that version; there is only `$LATEST`.
    pub(super) fn find(&self, name: &str, qualifier: Option<&str>) -> Result<&Arc<Function>, InvokeError> {
        let function = self
            .functions
            .get(name)
            .filter(|_| qualifier.is_none_or(|version| version == "$LATEST"));
        function.ok_or_else(|| {
            let mut arn = arn(&self.region, name);
            if let Some(qualifier) = qualifier {
                arn = format!("{arn}:{qualifier}");
            }
            InvokeError::UnknownFunction {
                arn,
                known: self.functions.keys().cloned().collect(),
            }
        })
    }

    pub(super) fn process(&self, id: &str) -> Option<Arc<Process>> {
        lock(&self.pool).processes.get(id).cloned()
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    pub(super) fn report(&self, event: Event) {
        let _ = self.observer.send(event);
    }

    pub(super) fn observer(&self) -> &Observer {
        &self.observer
    }

    async fn run(self: &Arc<Self>, function: &Arc<Function>, payload: Bytes) -> Result<Invocation, InvokeError> {
        let begun = Instant::now();
        let request_id = Uuid::new_v4().to_string();
        let (reply, log_tail) = match self.obtain(function)? {
            Ok(process) => {
                let reply = self.work(&process, &request_id, payload).await;
                (reply, process.take_log_tail())
            }
            Err(failure) => (Reply::Failure(failure), Vec::new()),
        };
        Ok(Invocation {
            log_tail,
            duration: begun.elapsed(),
            ..Invocation::of(request_id, reply)
        })
    }

    async fn work(&self, process: &Process, request_id: &str, payload: Bytes) -> Reply {
        if let Err(reply) = process.initialized(self.init_limit()).await {
            return reply;
        }
        let kill_delay = Duration::from_millis(self.kill_delay.load(Ordering::Relaxed));
        let reply = process.work(request_id, payload, kill_delay).await;
        self.give_back(process);
        reply
    }

    fn init_limit(&self) -> Duration {
        Duration::from_millis(self.init_limit.load(Ordering::Relaxed))
    }

    /// Ends the ownership of a process. Under the lock, so that one that is retired meanwhile does not stay.
    fn give_back(&self, process: &Process) {
        let _pool = lock(&self.pool);
        match process.is_retired() {
            true => process.kill_group(),
            false => process.release(),
        }
    }

    /// An idle process, or a new one.
    fn obtain(self: &Arc<Self>, function: &Arc<Function>) -> Result<Result<Arc<Process>, Failure>, InvokeError> {
        let mut pool = lock(&self.pool);
        if pool.closed {
            return Err(InvokeError::ShuttingDown);
        }
        let mut of_function = pool
            .processes
            .values()
            .filter(|process| process.function.name == function.name);
        if let Some(idle) = of_function.find(|process| !process.is_retired() && process.claim()) {
            return Ok(Ok(Arc::clone(idle)));
        }
        let id = self.started.fetch_add(1, Ordering::Relaxed).to_string();
        let site = Site {
            address: &self.address,
            region: &self.region,
            observer: &self.observer,
        };
        let (process, child) = match Process::start(id.clone(), function, &site) {
            Ok(started) => started,
            Err(failure) => return Ok(Err(failure)),
        };
        pool.processes.insert(id.clone(), Arc::clone(&process));
        tokio::spawn(Arc::clone(self).keep(Arc::clone(&process), child));
        Ok(Ok(process))
    }

    /// Keeps a process in the pool for as long as it lives.
    async fn keep(self: Arc<Self>, process: Arc<Process>, child: Child) {
        let id = process.id.clone();
        process.watch_over(child).await;
        lock(&self.pool).processes.remove(&id);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
