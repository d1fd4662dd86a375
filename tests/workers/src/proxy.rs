//! A proxy that cuts connections, whatever they carry.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Open = 0,
    /// New ones are closed at once.
    Refused = 1,
    /// New ones get no answer.
    Silent = 2,
}

/// In front of one server, for one process.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

struct Shared {
    /// Host and port.
    behind: String,
    line: AtomicU8,
    cut: Notify,
    accepted: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(behind: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            behind: behind.to_owned(),
            line: AtomicU8::new(Line::Open as u8),
            cut: Notify::new(),
            accepted: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move { shared.carry(client).await });
            }
        });
        Ok(Self {
            address,
            shared,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// How many connections there were so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Cuts all connections, in the middle of whatever they carry.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Cuts all connections, and decides about new ones.
    pub(crate) fn set(&self, line: Line) {
        self.shared.line.store(line as u8, Ordering::SeqCst);
        self.cut();
    }
}

impl Shared {
    async fn carry(&self, mut client: TcpStream) {
        // Before anything else: a cut that comes now counts.
        let cut = self.cut.notified();
        let line = self.line.load(Ordering::SeqCst);
        let carried = async {
            match line {
                line if line == Line::Refused as u8 => Ok(()),
                line if line == Line::Silent as u8 => std::future::pending().await,
                _ => {
                    let mut server = TcpStream::connect(&self.behind).await?;
                    client.set_nodelay(true)?;
                    server.set_nodelay(true)?;
                    copy_bidirectional(&mut client, &mut server).await.map(drop)
                }
            }
        };
        // A broken connection is the subject of this program, not an error of it.
        tokio::select! {
            _ = carried => {}
            () = cut => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_cut_ends_a_connection_and_not_the_next() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(&server.local_addr().unwrap().to_string()).await.unwrap();
        let mut byte = [0];
        for _ in 0..2 {
            let mut client = TcpStream::connect(proxy.address).await.unwrap();
            let (mut behind, _) = server.accept().await.unwrap();
            behind.write_all(b"a").await.unwrap();
            assert_eq!(client.read(&mut byte).await.unwrap(), 1);
            proxy.cut();
            assert!(
                !matches!(client.read(&mut byte).await, Ok(1..)),
                "the connection is open"
            );
        }
    }

    #[tokio::test]
    async fn a_refused_connection_reaches_no_server() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(&server.local_addr().unwrap().to_string()).await.unwrap();
        proxy.set(Line::Refused);
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        assert!(!matches!(client.read(&mut [0]).await, Ok(1..)));
        proxy.set(Line::Open);
        let _client = TcpStream::connect(proxy.address).await.unwrap();
        server.accept().await.unwrap();
    }
}
