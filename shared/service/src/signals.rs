//! The signals that stop a process.

use std::io;

/// Waits for SIGTERM or SIGINT. Another one after that ends the process at once. On Windows, these are Ctrl-C and Ctrl-Break; for
/// a service, it is the stop by the service control manager, which requests it once.
///
/// As process 1 of a container, a process that handles no SIGTERM ignores it.
///
/// # Errors
///
/// The signals can't be handled: the operating system refuses.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = Signals::new()?;
    Ok(async move {
        signals.next().await;
        let second = match crate::supervisor::is_service() {
            true => "",
            false => "; a second signal ends the process at once",
        };
        tracing::info!("stops: messages in process are finished first{second}");
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("ended by a second signal: messages in process are redelivered");
            std::process::exit(1);
        });
    })
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlBreak,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        Ok(Self {
            interrupt: ctrl_c()?,
            terminate: ctrl_break()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = crate::supervisor::stop_requested() => {}
        }
    }
}
