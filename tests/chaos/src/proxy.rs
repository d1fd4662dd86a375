//! A proxy between the functions and their tables and queues. It cuts, delays and refuses, and sees what takes effect.

use std::io::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use emulator::lambda::Lambda;
use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::faults::{Faults, KILLED_BEFORE_REPLY, Kind, Out, Target};
use crate::history::{History, Interval};
use crate::http::Message;

/// One of so many replies comes too late, in a scenario with kills: the function is killed after the effect.
const KILLS: u32 = 25;

/// A request without a reply is sent again after a second, the functions' `RequestTimeout`.
const LATE_MILLIS: (u64, u64) = (1050, 1400);

/// Each connection of a function has one to the stack behind it.
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    faults: Arc<Faults>,
    history: Arc<History>,
    behind: OnceLock<(String, Arc<Lambda>)>,
    /// Requests that are here now, although their clients may be gone.
    pending: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(faults: Arc<Faults>, history: Arc<History>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            faults,
            history,
            behind: OnceLock::new(),
            pending: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // A broken connection is the subject of this program, not an error of it.
                tokio::spawn(async move { shared.converse(client).await });
            }
        });
        Ok(Self { url, shared })
    }

    /// Where requests go, and who is killed. Known only after the stack has started; its functions start later.
    pub(crate) fn forward_to(&self, endpoint: &str, lambda: &Arc<Lambda>) {
        let address = endpoint.trim_start_matches("http://").to_owned();
        let _ = self.shared.behind.set((address, Arc::clone(lambda)));
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.shared.pending.load(Ordering::SeqCst) == 0
    }
}

impl Shared {
    async fn converse(&self, client: TcpStream) -> Result<()> {
        let Some((address, lambda)) = self.behind.get() else {
            return Ok(());
        };
        let mut client = BufReader::new(client);
        let mut server = BufReader::new(TcpStream::connect(address).await?);
        while let Some(request) = Message::read(&mut client).await? {
            self.pending.fetch_add(1, Ordering::SeqCst);
            let reply = self.exchange(&request, &mut server, lambda).await;
            self.pending.fetch_sub(1, Ordering::SeqCst);
            match reply? {
                Outcome::Reply(reply) => client.write_all(&reply.bytes()).await?,
                Outcome::Part(reply) => {
                    let bytes = reply.bytes();
                    return client
                        .write_all(&bytes[..bytes.len() - reply.body().len() / 2 - 1])
                        .await;
                }
                Outcome::Cut => return Ok(()),
            }
        }
        Ok(())
    }

    async fn exchange(&self, request: &Message, server: &mut BufReader<TcpStream>, lambda: &Lambda) -> Result<Outcome> {
        let operation = request.header("x-amz-target").unwrap_or_default();
        let is_table = operation.starts_with("DynamoDB");
        let target = if is_table { Target::Table } else { Target::Queue };
        match is_table.then(|| self.faults.next_out()).flatten() {
            Some(Out::Cut) => return Ok(Outcome::Cut),
            Some(Out::Refused) => return Ok(Outcome::Reply(Message::error(500, "InternalServerError"))),
            Some(Out::Silent) => {
                self.faults.outage_over().await;
                return Ok(Outcome::Cut);
            }
            None => {}
        }
        let fault = self.faults.next(target);
        match fault {
            Some(Kind::RequestLost) => return Ok(Outcome::Cut),
            Some(Kind::Throttled) => return Ok(Outcome::Reply(throttled(target))),
            Some(Kind::ServerError) => return Ok(Outcome::Reply(Message::error(500, "InternalServerError"))),
            Some(Kind::Delayed) => tokio::time::sleep(self.faults.between(20, 300)).await,
            Some(Kind::Late) => tokio::time::sleep(self.faults.between(LATE_MILLIS.0, LATE_MILLIS.1)).await,
            _ => {}
        }
        let begun = SystemTime::now();
        server.write_all(&request.bytes()).await?;
        let Some(reply) = Message::read(server).await? else {
            return Ok(Outcome::Cut);
        };
        if reply.is_success() {
            let interval = Interval::until_now(begun);
            let sent = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
            let answered = serde_json::from_slice(reply.body()).unwrap_or(Value::Null);
            self.history.note(operation, &sent, &answered, interval);
        }
        if self.faults.scenario().kills && self.faults.once_in(KILLS) {
            let function = request.header("x-amz-security-token").unwrap_or_default();
            for _ in 0..lambda.kill(function) {
                self.faults.count(KILLED_BEFORE_REPLY);
            }
        }
        Ok(match fault {
            Some(Kind::ReplyLost) => Outcome::Cut,
            Some(Kind::ReplyCut) => Outcome::Part(reply),
            _ => Outcome::Reply(reply),
        })
    }
}

/// What the client gets.
enum Outcome {
    Reply(Message),
    Part(Message),
    Cut,
}

fn throttled(target: Target) -> Message {
    match target {
        Target::Table => {
            let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
            Message::error(400, code)
        }
        _ => Message::error(403, "com.amazonaws.sqs#RequestThrottled"),
    }
}
