//! A proxy that cuts connections and loses replies, whatever they carry.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// They are forwarded.
    Open = 0,
    /// New ones are closed at once.
    Refused = 1,
    /// New ones get no answer.
    Silent = 2,
}

/// A reply that the client does not get, although the server has done what was requested. The connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// What the request contains.
    pub request: &'static str,
    /// What the reply contains when the request is done.
    pub done: &'static str,
}

impl Loss {
    /// Of PostgreSQL, to a request that contains this: the server is idle again, so what it did is committed.
    pub fn of_postgresql(request: &'static str) -> Self {
        let done = "Z\0\0\0\u{5}I";
        Self { request, done }
    }
}

/// In front of one server, for one process.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

struct Shared {
    /// Host and port.
    behind: String,
    line: AtomicU8,
    cut: Notify,
    accepted: AtomicUsize,
    /// Replies that are still to be lost, and how many were.
    losses: Mutex<Vec<Loss>>,
    lost: AtomicUsize,
    /// What is counted in requests, and how many had it.
    counted: Vec<(&'static str, AtomicUsize)>,
}

impl Proxy {
    /// # Errors
    ///
    /// No port is free.
    pub async fn start(behind: &str) -> Result<Self> {
        Self::start_counting(behind, &[]).await
    }

    /// The same, which counts requests that contain one of these.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub async fn start_counting(behind: &str, counted: &[&'static str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            behind: behind.to_owned(),
            line: AtomicU8::new(Line::Open as u8),
            cut: Notify::new(),
            accepted: AtomicUsize::new(0),
            losses: Mutex::default(),
            lost: AtomicUsize::new(0),
            counted: counted.iter().map(|counted| (*counted, AtomicUsize::new(0))).collect(),
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
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many requests contained this, if it counts them.
    pub fn counted(&self, request: &str) -> usize {
        let mut counted = self.shared.counted.iter();
        let counted = counted.find(|(counted, _)| *counted == request);
        counted.map_or(0, |(_, count)| count.load(Ordering::SeqCst))
    }

    /// Loses the reply to the next such request.
    pub fn lose(&self, loss: Loss) {
        locked(&self.shared.losses).push(loss);
    }

    /// How many replies were lost.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }

    /// Cuts all connections, in the middle of whatever they carry.
    pub fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Cuts all connections, and decides about new ones.
    pub fn set(&self, line: Line) {
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
                    self.forward(&mut client, &mut server).await
                }
            }
        };
        // A broken connection is the subject of this program, not an error of it.
        tokio::select! {
            _ = carried => {}
            () = cut => {}
        }
    }

    /// Forwards both directions until one of them ends, or a reply is lost.
    async fn forward(&self, client: &mut TcpStream, server: &mut TcpStream) -> Result<()> {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let losing = Losing {
            shared: self,
            loss: Mutex::new(None),
        };
        let requests = async {
            let mut chunk = vec![0; CHUNK];
            loop {
                let request = match from_client.read(&mut chunk).await? {
                    0 => return Ok(()),
                    length => &chunk[..length],
                };
                for (counted, count) in &self.counted {
                    count.fetch_add(contains(request, counted).into(), Ordering::SeqCst);
                }
                // Before the server gets the request: its reply may come at once.
                if let Some(loss) = self.loss_of(request) {
                    *locked(&losing.loss) = Some(loss);
                }
                to_server.write_all(request).await?;
            }
        };
        let replies = async {
            let (mut chunk, mut withheld) = (vec![0; CHUNK], Vec::new());
            loop {
                let reply = match from_server.read(&mut chunk).await? {
                    0 => return Ok(()),
                    length => &chunk[..length],
                };
                let Some(loss) = *locked(&losing.loss) else {
                    to_client.write_all(reply).await?;
                    continue;
                };
                withheld.extend_from_slice(reply);
                if contains(&withheld, loss.done) {
                    *locked(&losing.loss) = None;
                    self.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
            }
        };
        tokio::select! { ended = requests => ended, ended = replies => ended }
    }

    /// Takes the loss of the reply to this request, if it is to be lost.
    fn loss_of(&self, request: &[u8]) -> Option<Loss> {
        let mut losses = locked(&self.losses);
        let index = losses.iter().position(|loss| contains(request, loss.request))?;
        Some(losses.remove(index))
    }
}

/// The loss that a connection has taken. If it ends before the request is done, the loss is still to come.
struct Losing<'a> {
    shared: &'a Shared,
    loss: Mutex<Option<Loss>>,
}

impl Drop for Losing<'_> {
    fn drop(&mut self) {
        let loss = locked(&self.loss).take();
        locked(&self.shared.losses).extend(loss);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More than a request or a reply usually has.
const CHUNK: usize = 64 * 1024;

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests;
