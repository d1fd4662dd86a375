//! A TCP proxy in front of the server, which cuts connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: Mutex<Vec<JoinHandle<()>>>,
    /// Cuts the connection that sends this many chunks from now; 0: none.
    cut_at: AtomicUsize,
    chunks: AtomicUsize,
    /// What clients send is kept until this is false.
    stalled: watch::Sender<bool>,
    /// The next connection gets no answer; this is notified of it.
    hold: Mutex<Option<Arc<Notify>>>,
}

impl Proxy {
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                let held = shared.hold.lock().unwrap().take();
                let forwarded = tokio::spawn(async move {
                    if let Some(held) = held {
                        held.notify_one();
                        return std::future::pending().await;
                    }
                    let server = TcpStream::connect(server).await.unwrap();
                    forward(client, server, &state).await;
                });
                shared.connections.lock().unwrap().push(forwarded);
            }
        });
        Self { address, state }
    }

    /// The URL of a broker, through this proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once('@').unwrap();
        let (_, after) = rest.split_once('/').unwrap();
        format!("{before}@{}/{after}", self.address)
    }

    /// How many connections there were since the last cut.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.lock().unwrap().len()
    }

    /// Cuts all connections now.
    pub(crate) fn cut(&self) {
        self.state
            .connections
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|connection| connection.abort());
    }

    /// Cuts the connection that carries the chunk with this number, counted from 1 from now on.
    pub(crate) fn cut_at(&self, chunk: usize) {
        self.state.chunks.store(0, Ordering::SeqCst);
        self.state.cut_at.store(chunk, Ordering::SeqCst);
    }

    /// Keeps what clients send from the server, or no longer.
    pub(crate) fn stall(&self, stalled: bool) {
        self.state.stalled.send_replace(stalled);
    }

    /// The next connection gets no answer. What is returned is notified of it.
    pub(crate) fn hold_next(&self) -> Arc<Notify> {
        let held = Arc::new(Notify::new());
        *self.state.hold.lock().unwrap() = Some(Arc::clone(&held));
        held
    }

    /// Whether the connection to cut was cut.
    pub(crate) fn has_cut(&self) -> bool {
        self.state.cut_at.load(Ordering::SeqCst) == 0
    }
}

async fn forward(client: TcpStream, server: TcpStream, state: &State) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = from_client.read(&mut chunk).await {
            let mut stalled = state.stalled.subscribe();
            stalled.wait_for(|stalled| !stalled).await.unwrap();
            if state.is_cut() || to_server.write_all(&chunk[..size]).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = from_server.read(&mut chunk).await {
            if state.is_cut() || to_client.write_all(&chunk[..size]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

impl State {
    fn is_cut(&self) -> bool {
        let number = self.chunks.fetch_add(1, Ordering::SeqCst) + 1;
        number >= 1
            && self
                .cut_at
                .compare_exchange(number, 0, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }
}
