//! The HTTP server.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use consumer::{Handler, Queues};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use idempotency::Store;
use service::{Metrics, supervisor};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::push::Push;

/// How long a connection may be idle after a message, or take for the head of the next. Longer than a front keeps one: that of Google Cloud, for
/// [600 seconds](https://cloud.google.com/load-balancing/docs/https#timeout-keepalive-backends). A request fails
/// if its connection is closed while it is on its way.
const IDLE: Duration = Duration::from_secs(620);

/// How long a new connection may take for the head of its first request: its caller is unknown until then.
const FIRST_HEAD: Duration = Duration::from_secs(10);

/// Bytes of a request that are read ahead, its head included: heads of unknown callers take no more memory.
const BUFFER: usize = 64 * 1024;

/// Headers of a request: each attribute of a task is one, besides some twenty of Cloud Tasks and of fronts.
const HEADERS: usize = 500;

/// Connections at a time. Others wait in the operating system. Their requests wait for a permit, so they may be more than
/// messages.
const CONNECTIONS: usize = 1024;

/// How long a message may take after its handler was cancelled: two seconds for the ledger, two for its copy.
const SETTLE: Duration = Duration::from_secs(4);

/// How long answers may take to be written after the last message has its verdict.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// How long to wait after the operating system has refused a connection, because of too many open files for example.
const REFUSED: Duration = Duration::from_millis(100);

/// The address can't be served.
#[derive(Debug, thiserror::Error)]
#[error("address {address} can't be used")]
pub(crate) struct ServeError {
    address: SocketAddr,
    #[source]
    why: std::io::Error,
}

pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |why| ServeError { address, why };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Messages, and whether the process works.
pub(crate) fn router<H: Handler, S: Store<Write = H::Write>, Q: Queues>(push: &Arc<Push<H, S, Q>>) -> Router {
    let stopping = push.stopping.clone();
    let ready = move || async move {
        match stopping.is_cancelled() {
            false => (StatusCode::OK, "ready\n"),
            true => (StatusCode::SERVICE_UNAVAILABLE, "not ready: the process stops\n"),
        }
    };
    Router::new()
        .route("/live", get(|| async { "live\n" }).fallback(take(push)))
        .route("/ready", get(ready).fallback(take(push)))
        .fallback(take(push))
}

/// The handler of messages: also on the paths of health, where a function may have such a name.
fn take<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
    push: &Arc<Push<H, S, Q>>,
) -> impl Fn(Request<Body>) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static {
    let push = Arc::clone(push);
    move |request| Box::pin(Arc::clone(&push).answer(request))
}

/// The metrics, at an address of their own: who may send messages must not be able to read them.
pub(crate) fn metrics_router(metrics: Metrics) -> Router {
    let text = [(
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    Router::new().route(
        "/metrics",
        get(move || async move { (text, metrics.text()).into_response() }),
    )
}

/// Serves until the process stops. Then messages in process have `drain` until their handlers are cancelled, others are
/// refused, and it returns after the last answer.
pub(crate) async fn serve<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
    listener: TcpListener,
    push: Arc<Push<H, S, Q>>,
    drain: Duration,
) {
    let (closing, connections) = (CancellationToken::new(), TaskTracker::new());
    let accepting = tokio::spawn(accept(listener, router(&push), closing.clone(), connections.clone()));
    supervisor::ready();
    push.stopping.cancelled().await;
    supervisor::stopping(drain + SETTLE + LAST_ANSWERS);
    push.stop.at(Instant::now() + drain);
    push.tasks.close();
    if timeout(drain + SETTLE, push.tasks.wait()).await.is_err() {
        tracing::warn!("a handler blocks its thread: its message is redelivered");
    }
    closing.cancel();
    accepting.abort();
    connections.close();
    if timeout(LAST_ANSWERS, connections.wait()).await.is_err() {
        tracing::warn!("connections are closed that have not ended: their messages are redelivered");
    }
}

async fn accept(listener: TcpListener, router: Router, closing: CancellationToken, connections: TaskTracker) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (router, closing) = (router.clone(), closing.clone());
                connections.spawn(async move {
                    converse(stream, router, closing).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("a connection was refused: {error}");
                sleep(REFUSED).await;
            }
        }
    }
}

/// Answers the requests of a connection, until it ends or the process closes it after its last answer.
async fn converse(stream: TcpStream, router: Router, closing: CancellationToken) {
    let begun = CancellationToken::new();
    let respond = service_fn(|request: Request<Incoming>| {
        begun.cancel();
        respond(router.clone(), request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_headers(HEADERS)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), respond)
    );
    let late = async {
        if timeout(FIRST_HEAD, begun.cancelled()).await.is_ok() {
            pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = late => return tracing::debug!("a connection without a request is closed"),
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

/// Answers a request. Only an acknowledged message keeps its connection: the caller of any other may be unknown.
async fn respond(mut router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    let is_message = request.method() == Method::POST;
    let mut response = Service::call(&mut router, request.map(Body::new)).await?;
    if !is_message || !response.status().is_success() {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
