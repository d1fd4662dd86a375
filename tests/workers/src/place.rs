//! The places of worker processes.

use std::time::Instant;

use workers::{Line, Proxy};

use crate::process::Process;

/// What a worker process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    PlaceOrder,
    SendNotification,
    /// A handler that takes as long as its message states.
    Wait,
    /// Receives and deletes.
    Plain,
}

impl Program {
    pub(crate) fn binary(self) -> &'static str {
        match self {
            Self::PlaceOrder => "place-order-worker",
            Self::SendNotification => "send-notification-worker",
            Self::Wait => "wait-worker",
            Self::Plain => "plain-loop",
        }
    }

    pub(crate) fn queue(self) -> &'static str {
        match self {
            Self::PlaceOrder => "orders",
            Self::SendNotification | Self::Wait | Self::Plain => "notifications",
        }
    }
}

/// The place of one process, and of those that follow it.
pub(crate) struct Place {
    pub(crate) program: Program,
    pub(crate) process: Option<Process>,
    /// In front of the queues, and of DynamoDB; none where speed is measured.
    pub(crate) queues: Option<Proxy>,
    /// In front of PostgreSQL.
    pub(crate) database: Option<Proxy>,
    /// Connections that there were when its process started.
    pub(crate) accepted: usize,
    /// Connections are refused until then.
    pub(crate) out_until: Option<Instant>,
}

impl Place {
    pub(crate) fn new(program: Program, queues: Option<Proxy>, database: Option<Proxy>) -> Self {
        Self {
            program,
            process: None,
            queues,
            database,
            accepted: 0,
            out_until: None,
        }
    }

    /// How many connections there were so far.
    pub(crate) fn accepted(&self) -> usize {
        self.queues.as_ref().map_or(0, Proxy::accepted) + self.database.as_ref().map_or(0, Proxy::accepted)
    }

    /// Its process has connected to its queue or its ledger: it handles signals.
    pub(crate) fn has_connected(&self) -> bool {
        self.accepted() > self.accepted
    }

    /// The proxy in front of its database, or of its queues.
    pub(crate) fn proxy(&self, database: bool) -> Option<&Proxy> {
        self.database.as_ref().filter(|_| database).or(self.queues.as_ref())
    }

    /// Opens its lines if their time is over.
    pub(crate) fn restore_lines(&mut self) {
        if self.out_until.is_some_and(|until| until <= Instant::now()) {
            self.out_until = None;
            for proxy in self.queues.iter().chain(&self.database) {
                proxy.set(Line::Open);
            }
        }
    }
}
