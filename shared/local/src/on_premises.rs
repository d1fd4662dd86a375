//! Workers and the HTTP application on RabbitMQ and PostgreSQL: servers that are installed on this machine, on loopback, with
//! files of their own.

mod application;
mod broker;
mod database;
mod folder;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use emulator::Receivers;
use emulator::lambda::Observer;
use sam::{Function, Settings, Template};
use tokio_util::task::AbortOnDropHandle;

use self::broker::Broker;
use self::database::Database;
use self::folder::Folder;
pub use self::server::ServerError;
use crate::binaries::binaries_and;
use crate::build;
use crate::options::{ACCOUNT, Options};
use crate::stack::{StackError, listen, serve};
use crate::workers::{self, Program, Workers, programs_with};

/// Why nothing runs on premises.
#[derive(Debug, thiserror::Error)]
pub enum OnPremisesError {
    /// The template, the build or a worker, as for the [`Stack`](crate::Stack).
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A server is not installed, or does not start.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Workers of the template's functions, with their queues in RabbitMQ and their ledger in PostgreSQL, and the HTTP application
/// that enqueues for the first of them. Dropped without [`shutdown`](Self::shutdown), it kills its processes.
pub struct OnPremises {
    // In the order in which they end: what uses a server before the server, and the folder last.
    application: Option<Workers>,
    workers: Workers,
    broker: Broker,
    database: Database,
    template: Template,
    endpoint: String,
    _receivers: AbortOnDropHandle<()>,
    _folder: Folder,
}

impl OnPremises {
    /// Builds the workers of [`Options::workers`] and the HTTP application, starts both servers, creates the tables, and lets
    /// messages flow. Only a workspace that has the application runs it, and only if it is built here.
    ///
    /// # Errors
    ///
    /// [`OnPremisesError`] names in one line what is wrong. Nothing is left running.
    pub async fn start(options: Options, observer: Observer) -> Result<Self, OnPremisesError> {
        let (listener, endpoint) = listen(options.port).await?;
        let mut template = read(&options, &endpoint)?;
        let named = workers::named(&options.workers, &template).map_err(StackError::from)?;
        // Nothing else is built.
        template.functions.retain(|function| named.contains(&function.name));
        server::check_installed()?;
        let built = binaries_and(&options, &template, &named, application::EXAMPLE).await;
        let (binaries, application) = built.map_err(StackError::from)?;
        let folder = Folder::open(options.data.as_deref())?;
        let (broker, database) = tokio::try_join!(Broker::start(folder.path()), Database::start(&folder))?;
        for schema in schemas(&options, &template, &named) {
            database.run(&schema).await?;
        }
        let receivers = Receivers::new(&template.urls);
        let receiving = serve(listener, receivers.router());
        let environment = |function: &Function, queue: &str| environment(function, &broker.url(queue), &database.url());
        let programs: Vec<Program> =
            programs_with(&template, &named, &binaries, environment).map_err(StackError::from)?;
        let workers = Workers::start(programs, None, &observer);
        let application = application::start(application, &workers, &broker, &database, &observer).await?;
        Ok(Self {
            application,
            workers,
            broker,
            database,
            template,
            endpoint,
            _receivers: receiving,
            _folder: folder,
        })
    }

    /// What the template states.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The running workers.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Where the HTTP application listens.
    pub fn application(&self) -> Option<SocketAddr> {
        Some(self.application.as_ref()?.iter().next()?.health)
    }

    /// Where the receivers are.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The URL of a queue in RabbitMQ, with the password of this broker, which is on loopback only.
    pub fn queue_url(&self, queue: &str) -> String {
        self.broker.url(queue)
    }

    /// The URL of the database, likewise.
    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// A command that lists the broker's queues.
    pub fn list_queues(&self) -> String {
        self.broker.list_queues()
    }

    /// A command that shows the ledger.
    pub fn show_ledger(&self) -> String {
        self.database.show_ledger()
    }

    /// Stops the application, which answers the requests that have begun; then the workers, which finish messages in process;
    /// then both servers. Nothing is left running.
    pub async fn shutdown(mut self) {
        for processes in self.application.iter_mut().chain([&mut self.workers]) {
            processes.request_stop();
            processes.ended().await;
        }
        tokio::join!(self.broker.stop(), self.database.stop());
    }
}

/// The queue URLs in it are SQS's: they are replaced in [`environment`].
fn read(options: &Options, endpoint: &str) -> Result<Template, StackError> {
    let settings = Settings {
        parameters: options.parameters.clone(),
        urls: Some(format!("{endpoint}{}", Receivers::PATH)),
        account: ACCOUNT.to_owned(),
        endpoint: SQS.to_owned(),
        ..Settings::default()
    };
    Ok(Template::read(&options.template, &settings)?)
}

/// Where the template's queues would be on SQS.
const SQS: &str = "http://sqs.invalid";

/// The function's own variables, with the broker's queues in the place of SQS's, and the database in the place of the table.
fn environment(function: &Function, queue_url: &str, database_url: &str) -> BTreeMap<String, String> {
    let queue = |value: &str| {
        let name = value.strip_prefix(&format!("{SQS}/{ACCOUNT}/"))?;
        Some(format!("amqp:{name}"))
    };
    let own = function.environment.iter();
    let own = own.map(|(name, value)| (name.clone(), queue(value).unwrap_or_else(|| value.clone())));
    let mut environment: BTreeMap<_, _> = own.collect();
    environment.remove("IDEMPOTENCY_TABLE");
    environment.insert("QUEUE_URL".to_owned(), queue_url.to_owned());
    environment.insert("DATABASE_URL".to_owned(), database_url.to_owned());
    // No broker reports to this process what is acknowledged.
    environment.insert("LOG_MESSAGES".to_owned(), "true".to_owned());
    environment
}

/// The files that create the ledger's table and those of the functions, where they exist.
fn schemas(options: &Options, template: &Template, workers: &BTreeSet<String>) -> Vec<std::path::PathBuf> {
    let workspace = build::workspace_of(&options.template);
    let functions = template
        .functions
        .iter()
        .filter(|function| workers.contains(&function.name));
    let own = functions.map(|function| workspace.join("functions").join(&function.binary).join("schema.sql"));
    let ledger = workspace.join("shared/postgres/schema.sql");
    std::iter::once(ledger)
        .chain(own)
        .filter(|file| file.exists())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn queues_of_sqs_become_those_of_the_broker() {
        let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let function = Function {
            logical_id: "Charge".to_owned(),
            name: "charge".to_owned(),
            binary: "charge".to_owned(),
            environment: BTreeMap::from(
                [
                    ("DEAD_LETTER_QUEUE_URL", "http://sqs.invalid/000000000000/orders-dlq"),
                    ("IDEMPOTENCY_TABLE", "idempotency"),
                    ("LIMIT", "5"),
                ]
                .map(variable),
            ),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
        };
        let expected = [
            ("DATABASE_URL", "postgres://d"),
            ("DEAD_LETTER_QUEUE_URL", "amqp:orders-dlq"),
            ("LIMIT", "5"),
            ("LOG_MESSAGES", "true"),
            ("QUEUE_URL", "amqp://q"),
        ];
        assert_eq!(
            environment(&function, "amqp://q", "postgres://d"),
            BTreeMap::from(expected.map(variable))
        );
    }
}
