//! From the first connection to the last answer.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How long requests may take after a signal: longer than the time limits of a request together. Kubernetes kills after 30
/// seconds, ECS as well.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

/// Ends at SIGTERM, as container runtimes send it, or SIGINT (Ctrl-C). Signals count from this call on, not from the first
/// poll. Process 1 of a container ignores SIGTERM without this.
pub(crate) fn stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Serves until `stop` ends. Then the listener closes, and requests that have begun may take until `drain` has passed.
///
/// `false`: some took longer, and are cut off when the process ends. Their clients repeat them.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
    drain: Duration,
) -> io::Result<bool> {
    let (stopped, stopping) = oneshot::channel();
    let stop = async move {
        stop.await;
        // The receiver waits below for as long as this is served.
        let _ = stopped.send(());
    };
    let limit = async move {
        match stopping.await {
            Ok(()) => sleep(drain).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(stop) => served.map(|()| true),
        () = limit => Ok(false),
    }
}
