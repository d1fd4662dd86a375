//! A TCP proxy in front of the server, which loses answers and stalls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// So many of the next answers are lost, with their connections.
    lost: AtomicUsize,
    /// What clients send is kept until this is false.
    stalled: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, server) = (listener.local_addr().unwrap(), server.to_owned());
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        forward(client, server, &state).await;
                    }
                });
            }
        });
        Self { address, state }
    }

    /// A URL, through this proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        let (_, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
        format!("http://{}/{path}", self.address)
    }

    /// Loses so many of the next answers: the server has done what was requested.
    pub(crate) fn lose(&self, answers: usize) {
        self.state.lost.store(answers, Ordering::SeqCst);
    }

    /// Whether all answers that were to be lost are.
    pub(crate) fn has_lost(&self) -> bool {
        self.state.lost.load(Ordering::SeqCst) == 0
    }

    /// Keeps what clients send from the server, or no longer.
    pub(crate) fn stall(&self, stalled: bool) {
        self.state.stalled.send_replace(stalled);
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
            if to_server.write_all(&chunk[..size]).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = from_server.read(&mut chunk).await {
            let lose = |lost: usize| lost.checked_sub(1);
            let is_lost = state
                .lost
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose)
                .is_ok();
            if is_lost || to_client.write_all(&chunk[..size]).await.is_err() {
                break;
            }
        }
        // A server that ends an idle connection is not noticed while it stalls.
        let mut stalled = state.stalled.subscribe();
        stalled.wait_for(|stalled| !stalled).await.unwrap();
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
