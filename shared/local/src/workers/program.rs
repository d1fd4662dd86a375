//! The program of a worker, and its environment.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sam::{Function, Mapping, Template};
use tokio::process::{Child, Command};

use super::{Worker, WorkerError};
use crate::aws;
use crate::binaries::binary_of;
use crate::functions;
use crate::options::EndpointOverride;

/// How many messages of a batch run at a time in a Lambda function.
const LAMBDA_CONCURRENCY: u32 = 10;

const DRAIN_SECONDS: &str = "DRAIN_SECONDS";

/// What a worker, or another process that is supervised as one, is started with, again and again.
pub(crate) struct Program {
    pub(crate) worker: Worker,
    /// What it is in reports.
    pub(super) noun: &'static str,
    /// The path, at its address, that answers while it is live.
    pub(super) live: &'static str,
    path: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Program {
    /// A worker with these variables.
    pub(crate) fn worker(worker: Worker, path: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self {
            worker,
            noun: "worker",
            live: "/live",
            path,
            arguments: Vec::new(),
            environment,
        }
    }

    /// An HTTP application with these variables. It answers at the address that it is supervised with.
    pub(crate) fn application(worker: Worker, path: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self {
            noun: "application",
            live: "/health",
            ..Self::worker(worker, path, environment)
        }
    }

    pub(super) fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.path)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C in the terminal goes to the stack alone, which then stops the workers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    /// A shell script that may take five seconds to stop.
    #[cfg(test)]
    pub(super) fn of_script(script: &str) -> Self {
        let worker = Worker {
            function: "work".to_owned(),
            queue: "orders".to_owned(),
            health: (Ipv4Addr::LOCALHOST, 1).into(),
        };
        let environment = BTreeMap::from([(DRAIN_SECONDS.to_owned(), "5".to_owned())]);
        Self {
            arguments: vec!["-c".to_owned(), script.to_owned()],
            ..Self::worker(worker, "/bin/sh".into(), environment)
        }
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// How long it finishes messages after it was requested to stop.
    pub(super) fn drain(&self) -> Duration {
        let seconds = self.environment.get(DRAIN_SECONDS);
        Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or_default())
    }
}

/// What the stack knows, and the template does not.
pub(crate) struct Surroundings<'a> {
    pub(crate) services: &'a EndpointOverride,
    pub(crate) overridden: bool,
    /// By name.
    pub(crate) queue_urls: &'a BTreeMap<String, String>,
    pub(crate) binaries: &'a BTreeMap<String, PathBuf>,
}

/// A program for each queue of these functions that has a binary.
pub(crate) fn programs(
    template: &Template,
    workers: &BTreeSet<String>,
    surroundings: &Surroundings<'_>,
) -> Result<Vec<Program>, WorkerError> {
    let environment = |function: &Function, queue: &str| on_aws(function, queue, surroundings);
    programs_with(template, workers, surroundings.binaries, environment)
}

/// The same with variables of a function and of the name of its queue.
pub(crate) fn programs_with(
    template: &Template,
    workers: &BTreeSet<String>,
    binaries: &BTreeMap<String, PathBuf>,
    variables: impl Fn(&Function, &str) -> BTreeMap<String, String>,
) -> Result<Vec<Program>, WorkerError> {
    // Held until all are found, so that no two are the same.
    let mut ports = Vec::new();
    let mut programs = Vec::new();
    for mapping in template.mappings.iter().filter(|mapping| mapping.enabled) {
        let runs = |function: &&Function| function.name == mapping.function && workers.contains(&function.name);
        let Some(function) = template.functions.iter().find(runs) else {
            continue;
        };
        let Some(path) = binaries.get(&binary_of(function, workers)) else {
            continue;
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(WorkerError::Health)?;
        let health = port.local_addr().map_err(WorkerError::Health)?;
        ports.push(port);
        let mut environment = of_any_worker(function, mapping);
        environment.extend(variables(function, &mapping.queue));
        environment.insert("HEALTH_ADDRESS".to_owned(), health.to_string());
        let worker = Worker {
            function: function.name.clone(),
            queue: mapping.queue.clone(),
            health,
        };
        programs.push(Program::worker(worker, path.clone(), environment));
    }
    Ok(programs)
}

/// The variables that a function's own take precedence over.
fn of_any_worker(function: &Function, mapping: &Mapping) -> BTreeMap<String, String> {
    let region = aws::region();
    let concurrency = mapping.batch_size.min(LAMBDA_CONCURRENCY);
    let mut environment: BTreeMap<_, _> = [
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("CONCURRENCY", concurrency.to_string()),
        // As long as a batch that runs when the stack stops.
        (DRAIN_SECONDS, function.timeout.as_secs().to_string()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    environment.extend(aws::authorities());
    environment.extend(aws::secrets());
    environment
}

/// The function's own variables, and those by which it reaches SQS and DynamoDB.
fn on_aws(function: &Function, queue: &str, surroundings: &Surroundings<'_>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    if !surroundings.overridden || env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        environment.extend(any_credentials(&function.name));
    }
    let own = functions::environment(function, surroundings.services, surroundings.overridden);
    environment.extend(own);
    let url = surroundings.queue_urls.get(queue).cloned();
    environment.insert("QUEUE_URL".to_owned(), url.unwrap_or_default());
    environment
}

/// Nothing here checks them, but clients refuse to start without.
fn any_credentials(function: &str) -> impl Iterator<Item = (String, String)> {
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        // By which the stack knows whose request it is.
        ("AWS_SESSION_TOKEN", function),
    ];
    let credentials = credentials.map(|(name, value)| (name.to_owned(), value.to_owned()));
    credentials.into_iter()
}
