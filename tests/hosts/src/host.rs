//! The hosts of the handler.

use std::path::Path;

use clap::ValueEnum;

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

    /// The name of the program, and whether it is called over HTTP.
    fn program(self) -> (&'static str, bool) {
        match self {
            Self::Lambda => ("send-notification", false),
            Self::WorkerSqs | Self::WorkerRabbitmq | Self::WorkerStorageQueue => ("send-notification-worker", false),
            Self::AzureFunctions | Self::CloudTasks | Self::PubSub => ("send-notification-push", true),
        }
    }

    pub(crate) fn is_called(self) -> bool {
        self.program().1
    }

    pub(crate) fn path(self, programs: &Path) -> std::path::PathBuf {
        programs.join(self.program().0)
    }
}
