//! Being told to stop by Ctrl-C, SIGTERM or a terminal that closes, while something is still to be given back.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Listens from its creation on. Told once, what runs ends in order; told twice, the process ends at once.
pub(crate) struct Stop(watch::Receiver<Option<u8>>);

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (told, stop) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => 2,
                    _ = terminate.recv() => 15,
                    _ = hang_up.recv() => 1,
                };
                // As a shell shows it.
                let code = 128 + number;
                if told.send_replace(Some(code)).is_some() {
                    std::process::exit(code.into());
                }
            }
        });
        Ok(Self(stop))
    }

    /// The exit status to end with, if told to stop.
    pub(crate) fn told(&self) -> Option<ExitCode> {
        self.0.borrow().map(ExitCode::from)
    }
}
