//! Requests to stop: Ctrl-C, SIGTERM as container runtimes send it, a terminal that closes.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Listens from its creation on: no signal is missed.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    /// Takes these signals from now on.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next request to stop, and returns the exit status that a shell would show for its signal.
    pub async fn requested(&mut self) -> ExitCode {
        ExitCode::from(self.status().await)
    }

    /// 128 and the signal's number.
    async fn status(&mut self) -> u8 {
        let number = tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hang_up.recv() => 1,
        };
        128 + number
    }
}

/// A request to stop that a command looks at between two steps. The first one lets it end in order; the second one ends the
/// process at once.
pub struct StopFlag(watch::Receiver<Option<u8>>);

impl StopFlag {
    /// Takes the signals from now on.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn listen() -> io::Result<Self> {
        let mut stop = Stop::listen()?;
        let (sender, flag) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let status = stop.status().await;
                if sender.send_replace(Some(status)).is_some() {
                    std::process::exit(status.into());
                }
            }
        });
        Ok(Self(flag))
    }

    /// The exit status to end with, if a stop was requested.
    pub fn requested(&self) -> Option<ExitCode> {
        self.0.borrow().map(ExitCode::from)
    }
}
