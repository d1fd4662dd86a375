//! A way to the stack on which single requests get stuck.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on, but for what comes with a certain text: that, and whatever follows on its connection, gets
/// no further, and nobody says so.
pub(super) struct Proxy {
    pub(super) url: String,
    target: Arc<OnceLock<String>>,
    stuck: Arc<AtomicU32>,
}

impl Proxy {
    pub(super) async fn stuck_at(text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Arc::new(OnceLock::<String>::new());
        let known = Arc::clone(&target);
        let stuck = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&stuck);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(known.get().unwrap()).await.unwrap();
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass_on(from_client, to_server, text, Arc::clone(&counted)));
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            }
        });
        Self { url, target, stuck }
    }

    /// How many requests got stuck so far.
    pub(super) fn stuck(&self) -> u32 {
        self.stuck.load(Ordering::Relaxed)
    }

    /// States where to pass things on to, once that is known.
    pub(super) fn lead_to(&self, endpoint: &str) {
        let address = endpoint.trim_start_matches("http://").to_owned();
        self.target.set(address).unwrap();
    }
}

/// A request is written in one piece or two, its body in one: it is short.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stuck_at: &str, stuck: Arc<AtomicU32>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if String::from_utf8_lossy(&piece[..length]).contains(stuck_at) {
            stuck.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
}
