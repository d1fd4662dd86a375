//! A proxy in front of the stack that lets single requests hang.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Forwards everything except requests with a certain text. Such a request, and all that follows on its connection, gets no
/// reply and no error.
pub(super) struct Proxy {
    pub(super) url: String,
    target: Arc<OnceLock<String>>,
    hanging: Arc<AtomicU32>,
}

impl Proxy {
    pub(super) async fn hanging_at(text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Arc::new(OnceLock::<String>::new());
        let destination = Arc::clone(&target);
        let hanging = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&hanging);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(destination.get().unwrap()).await.unwrap();
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(forward(from_client, to_server, text, Arc::clone(&counted)));
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            }
        });
        Self { url, target, hanging }
    }

    /// How many requests hang.
    pub(super) fn hanging(&self) -> u32 {
        self.hanging.load(Ordering::Relaxed)
    }

    /// Sets the destination, which is known only after the stack has started.
    pub(super) fn forward_to(&self, endpoint: &str) {
        let address = endpoint.trim_start_matches("http://").to_owned();
        self.target.set(address).unwrap();
    }
}

/// Expects the body of a request in one piece, because it is short.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, hanging_at: &str, hanging: Arc<AtomicU32>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if String::from_utf8_lossy(&piece[..length]).contains(hanging_at) {
            hanging.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
}
