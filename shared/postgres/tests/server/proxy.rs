//! A proxy between store and server that knows where messages begin and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to the first connection. Others are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It is closed once so many messages have reached the server.
    CutAfterRequests(usize),
    /// It is closed once so many messages have reached the store.
    CutAfterAnswers(usize),
    /// Once so many messages have reached the store, no other does.
    StallAfterAnswers(usize),
    /// The beginning of a transaction is a statement that fails.
    NoTransaction,
}

/// What a proxy has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Messages to the server, and from it, on the first connection.
    pub(crate) requests: AtomicUsize,
    pub(crate) answers: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    open: AtomicUsize,
    pub(crate) most_open: AtomicUsize,
}

pub(crate) struct Proxy {
    /// That of the server, through the proxy.
    pub(crate) url: String,
    pub(crate) seen: Arc<Seen>,
}

impl Proxy {
    pub(crate) async fn start(url: &str, fault: Fault) -> Self {
        let (before, rest) = url.split_once('@').unwrap();
        let (server, after) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{before}@{}/{after}", listener.local_addr().unwrap());
        let (server, seen) = (server.to_owned(), Arc::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let first = shared.connections.fetch_add(1, Ordering::SeqCst) == 0;
                let fault = if first { fault } else { Fault::None };
                let (server, seen) = (server.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
                    seen.most_open.fetch_max(open, Ordering::SeqCst);
                    forward(client, &server, fault, first.then_some(&*seen)).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, seen }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

/// Forwards both directions until one of them ends: then both sides are closed.
async fn forward(mut client: TcpStream, server: &str, fault: Fault, seen: Option<&Seen>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let requests = async {
        let mut count = 0;
        while fault != Fault::CutAfterRequests(count) {
            // Only the first message has no type.
            let Some(mut message) = message(&mut from_client, count > 0).await else {
                return;
            };
            if fault == Fault::NoTransaction && message.windows(6).any(|window| window == b"BEGIN;") {
                message[5..10].copy_from_slice(b"BEGUN");
            }
            if to_server.write_all(&message).await.is_err() {
                return;
            }
            count += 1;
            seen.inspect(|seen| seen.requests.store(count, Ordering::SeqCst));
        }
    };
    let answers = async {
        let mut count = 0;
        while fault != Fault::CutAfterAnswers(count) {
            if fault == Fault::StallAfterAnswers(count) {
                std::future::pending::<()>().await;
            }
            let Some(message) = message(&mut from_server, true).await else {
                return;
            };
            if to_client.write_all(&message).await.is_err() {
                return;
            }
            count += 1;
            seen.inspect(|seen| seen.answers.store(count, Ordering::SeqCst));
        }
    };
    tokio::select! { () = requests => {} () = answers => {} }
}

/// The next message, with its type and length.
async fn message(from: &mut (impl AsyncRead + Unpin), has_type: bool) -> Option<Vec<u8>> {
    let header = 4 + usize::from(has_type);
    let mut message = vec![0; header];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[header - 4..].try_into().unwrap());
    message.resize(header + usize::try_from(length).unwrap() - 4, 0);
    from.read_exact(&mut message[header..]).await.ok()?;
    Some(message)
}
