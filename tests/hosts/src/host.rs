//! The hosts of the handler.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::ledger::Store;

/// How the handler runs, and where its messages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Host {
    /// AWS Lambda and SQS, emulated
    Lambda,
    /// A worker on SQS, emulated
    WorkerSqs,
    /// A worker on RabbitMQ
    WorkerRabbitmq,
    /// A worker on a Storage Queue of Azurite
    WorkerStorageQueue,
    /// A custom handler, behind a stand-in for the Functions host
    AzureFunctions,
    /// Behind the emulator of Cloud Tasks
    CloudTasks,
    /// Behind a stand-in for a push subscription
    PubSub,
}

impl Host {
    /// The head of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Lambda => "Lambda, SQS",
            Self::WorkerSqs => "worker, SQS",
            Self::WorkerRabbitmq => "worker, RabbitMQ",
            Self::WorkerStorageQueue => "worker, Storage Queue",
            Self::AzureFunctions => "Azure Functions",
            Self::CloudTasks => "Cloud Tasks",
            Self::PubSub => "Pub/Sub",
        }
    }

    /// Whether it runs with this store: PostgreSQL is the ledger on the clouds of Azure and Google.
    pub(crate) fn is_on(self, store: Store) -> bool {
        match self {
            Self::Lambda | Self::WorkerSqs | Self::WorkerRabbitmq => store == Store::Dynamodb,
            Self::WorkerStorageQueue | Self::AzureFunctions | Self::CloudTasks | Self::PubSub => true,
        }
    }

    /// Whether it polls its queue.
    pub(crate) fn is_worker(self) -> bool {
        matches!(self, Self::WorkerSqs | Self::WorkerRabbitmq | Self::WorkerStorageQueue)
    }

    /// The program of a function.
    pub(crate) fn path(self, programs: &Path, function: &str) -> PathBuf {
        let suffix = match self {
            Self::Lambda => "",
            _ if self.is_worker() => "-worker",
            _ => "-push",
        };
        programs.join(format!("{function}{suffix}"))
    }
}
