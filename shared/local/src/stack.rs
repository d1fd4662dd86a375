//! Everything that the template names, running.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use emulator::dynamodb::{DynamoDb, OpenError};
use emulator::lambda::{Event, InvalidMapping, Lambda, Mapping, Observer, run_mapping};
use emulator::sqs::Sqs;
use emulator::{Call, Receiver, Receivers, Services};
use sam::{Settings, Template, TemplateError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::aws::{self, Clients, CreateError};
use crate::binaries::{binaries, binary_of};
use crate::build::BuildError;
use crate::data::{DataError, Folder};
use crate::functions::functions;
use crate::options::{EndpointOverride, Options};
use crate::workers::{self, Surroundings, WorkerError, Workers, programs};

/// Why the stack does not start. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// Another process has the port.
    #[error("port {port} of 127.0.0.1 can't be used: {why}; another emulator? choose one with --port, or 0 for any")]
    Port {
        /// The port.
        port: u16,
        /// The operating system's error.
        why: std::io::Error,
    },
    /// The template is wrong, or names what the stack doesn't support.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The functions can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A queue or table can't be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// Tables or queues can't be kept in the folder of [`Options::data`].
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no memory for the tables.
    #[error("tables can't be opened in memory")]
    Tables(#[from] OpenError),
    /// A mapping is one that AWS would not accept.
    #[error(transparent)]
    Mapping(#[from] InvalidMapping),
    /// A function can't run as a worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// The running stack. Dropped without [`shutdown`](Self::shutdown), it ends its processes but waits for nothing.
pub struct Stack {
    endpoint: String,
    template: Template,
    emulated: Services,
    receivers: Receivers,
    lambda: Arc<Lambda>,
    _server: AbortOnDropHandle<()>,
    mappings: TaskTracker,
    stop_mappings: CancellationToken,
    workers: Workers,
    /// The names of the binaries that run.
    binaries: Vec<String>,
    data: Option<Folder>,
    observer: Observer,
}

impl Stack {
    /// Builds the functions, creates queues and tables, and lets messages flow. `observer` gets each event.
    ///
    /// # Errors
    ///
    /// [`StackError`] names in one line what is wrong, and where.
    pub async fn start(options: Options, observer: Observer) -> Result<Self, StackError> {
        let (listener, endpoint) = listen(options.port).await?;
        let services = options.endpoint_override.clone();
        let services = services.unwrap_or_else(|| EndpointOverride::emulator(&endpoint));
        let template = read(&options, &endpoint, &services)?;
        let named = workers::named(&options.workers, &template)?;
        let binaries = binaries(&options, &template, &named).await?;
        let overridden = options.endpoint_override.is_some();
        let functions = functions(&template, &named, &binaries, &services, overridden);
        let region = aws::region();
        let address = endpoint.trim_start_matches("http://");
        let sqs = Sqs::new(&endpoint, &region);
        sqs.observe(observer.clone());
        let lambda = Lambda::new(address, &region, functions, observer.clone());
        let (dynamodb, data) = match &options.data {
            Some(directory) => Folder::open(directory, &region).map(|(tables, folder)| (tables, Some(folder)))?,
            None => (DynamoDb::in_memory(&region)?, None),
        };
        let emulated = Services::new(sqs, dynamodb);
        let receivers = Receivers::new(&template.urls);
        let router = emulated.router().merge(lambda.router()).merge(receivers.router());
        let queue_urls = match &options.endpoint_override {
            Some(services) => create(&template, services).await?,
            None => create_before_serving(&template, router.clone(), &endpoint).await?,
        };
        let surroundings = Surroundings {
            services: &services,
            overridden,
            queue_urls: &queue_urls,
            binaries: &binaries,
        };
        let programs = programs(&template, &named, &surroundings)?;
        let stack = Self {
            endpoint,
            binaries: (template.functions.iter())
                .map(|function| binary_of(function, &named))
                .collect(),
            workers: Workers::start(programs, Some(emulated.sqs()), &observer),
            template,
            emulated,
            receivers,
            lambda,
            _server: serve(listener, router),
            mappings: TaskTracker::new(),
            stop_mappings: CancellationToken::new(),
            data,
            observer,
        };
        stack.restore_queues()?;
        stack.map(&services, &queue_urls).await?;
        Ok(stack)
    }

    fn restore_queues(&self) -> Result<(), DataError> {
        let Some(folder) = &self.data else {
            return Ok(());
        };
        for queue in folder.restore_queues(self.sqs())? {
            self.trouble(format!(
                "messages of {queue} stay in the folder of --data, unused: the template has no such queue"
            ));
        }
        Ok(())
    }

    fn trouble(&self, what: String) {
        // Whether anyone still listens doesn't matter.
        let _ = self.observer.send(Event::Trouble { what });
    }

    async fn map(&self, services: &EndpointOverride, queue_urls: &BTreeMap<String, String>) -> Result<(), StackError> {
        let sqs = aws::sqs_client(&services.sqs).await;
        for mapping in self.template.mappings.iter().filter(|mapping| mapping.enabled) {
            if !self.lambda.has(&mapping.function) {
                continue;
            }
            let url = queue_urls.get(&mapping.queue).cloned().unwrap_or_default();
            let mapping = self::mapping(mapping, url, &services.account);
            mapping.check()?;
            let (lambda, stop) = (Arc::clone(&self.lambda), self.stop_mappings.clone());
            self.mappings.spawn(run_mapping(lambda, sqs.clone(), mapping, stop));
        }
        Ok(())
    }

    /// Where the stack is reached, such as `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region of everything here: the environment's, or `us-east-1`.
    pub fn region(&self) -> String {
        aws::region()
    }

    /// What is running.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The emulated SQS.
    pub fn sqs(&self) -> &Arc<Sqs> {
        self.emulated.sqs()
    }

    /// The emulated DynamoDB.
    pub fn dynamodb(&self) -> &Arc<DynamoDb> {
        self.emulated.dynamodb()
    }

    /// What the functions called of SQS and DynamoDB, unless an override applies: the permissions that they need.
    pub fn calls(&self) -> BTreeSet<Call> {
        self.emulated.calls()
    }

    /// The functions' processes.
    pub fn lambda(&self) -> &Arc<Lambda> {
        &self.lambda
    }

    /// The functions that run as workers.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// The names of the binaries that the template's functions run: what cargo builds, unless it was to build none.
    pub fn binaries(&self) -> &[String] {
        &self.binaries
    }

    /// What functions reach at the URL in this parameter of the template, such as `NotificationUrl`. There is one for each
    /// parameter whose name ends in `Url`, and that has neither a value nor a default.
    pub fn receiver(&self, parameter: &str) -> Option<&Receiver> {
        self.receivers.get(parameter)
    }

    /// Stops receiving messages, lets running invocations and workers end, and ends everything. Nothing is left running.
    pub async fn shutdown(mut self) {
        self.stop_mappings.cancel();
        self.workers.request_stop();
        self.mappings.close();
        self.mappings.wait().await;
        self.workers.ended().await;
        self.lambda.shutdown().await;
        let kept = self.data.as_ref().map(|folder| folder.keep_queues(self.sqs()));
        if let Some(Err(error)) = kept {
            self.trouble(error.to_string());
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop_mappings.cancel();
    }
}

pub(crate) async fn listen(port: u16) -> Result<(TcpListener, String), StackError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let at = bound.and_then(|listener| {
        listener
            .local_addr()
            .map(|address| (listener, format!("http://{address}")))
    });
    at.map_err(|why| StackError::Port { port, why })
}

/// Serves until it is dropped.
pub(crate) fn serve(listener: TcpListener, router: Router) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        // It ends only with the task: errors of single connections are not errors of the server.
        let _ = axum::serve(listener, router).await;
    }))
}

/// Creates tables and queues, and returns the queues' URLs.
async fn create(template: &Template, services: &EndpointOverride) -> Result<BTreeMap<String, String>, StackError> {
    let clients = Clients::at(&services.sqs, &services.dynamodb).await;
    for table in &template.tables {
        clients.create_table(table, &services.dynamodb).await?;
    }
    let mut urls = BTreeMap::new();
    for queue in &template.queues {
        urls.insert(queue.name.clone(), clients.create_queue(queue, &services.sqs).await?);
    }
    Ok(urls)
}

/// The same through a port of its own: a client that finds the stack's port open finds queues and tables as well.
async fn create_before_serving(
    template: &Template,
    router: Router,
    endpoint: &str,
) -> Result<BTreeMap<String, String>, StackError> {
    let (listener, own_endpoint) = listen(0).await?;
    let _serving = serve(listener, router);
    let mut urls = create(template, &EndpointOverride::emulator(&own_endpoint)).await?;
    // Queue URLs are at the port that a client used.
    urls.values_mut()
        .for_each(|url| *url = url.replace(&own_endpoint, endpoint));
    Ok(urls)
}

fn mapping(mapping: &sam::Mapping, queue_url: String, account: &str) -> Mapping {
    Mapping {
        function: mapping.function.clone(),
        queue_url,
        queue_arn: format!("arn:aws:sqs:{}:{account}:{}", aws::region(), mapping.queue),
        batch_size: mapping.batch_size,
        window: mapping.window,
        maximum_concurrency: mapping.maximum_concurrency,
        report_batch_item_failures: mapping.report_batch_item_failures,
    }
}

fn read(options: &Options, endpoint: &str, services: &EndpointOverride) -> Result<Template, TemplateError> {
    let settings = Settings {
        parameters: options.parameters.clone(),
        urls: Some(format!("{endpoint}{}", Receivers::PATH)),
        region: aws::region(),
        account: services.account.clone(),
        endpoint: services.sqs.clone(),
        ..Settings::default()
    };
    Template::read(&options.template, &settings)
}
