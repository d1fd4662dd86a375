//! A receiver that can leave notifications unanswered.

use std::sync::{Arc, Mutex};

use idempotency::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A notification as it was posted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Post {
    /// Request line and headers, lower case.
    pub(super) head: Vec<String>,
    pub(super) body: Value,
    pub(super) arrived_at: Timestamp,
}

impl Post {
    /// A header's value; empty if it was not sent.
    pub(super) fn header(&self, name: &str) -> &str {
        let mut values = self
            .head
            .iter()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        values.next().unwrap_or_default()
    }
}

pub(super) struct Receiver {
    pub(super) url: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

/// Whether a post is never answered. Gets it, and those before it.
type IsSilent = Arc<dyn Fn(&Post, &[Post]) -> bool + Send + Sync>;

impl Receiver {
    /// Never answers the first `times` posts to `to`, and accepts all others.
    pub(super) async fn silent(to: &'static str, times: usize) -> Self {
        let is_to = move |post: &Post| post.body["to"] == to;
        Self::start(move |post, before| is_to(post) && before.iter().filter(|post| is_to(post)).count() < times).await
    }

    /// Never answers these posts, and accepts all others.
    pub(super) async fn start(is_silent: impl Fn(&Post, &[Post]) -> bool + Send + Sync + 'static) -> Self {
        let is_silent: IsSilent = Arc::new(is_silent);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notify?stage=test", listener.local_addr().unwrap());
        let posts = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&posts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&recorded), Arc::clone(&is_silent)));
            }
        });
        Self { url, posts }
    }

    /// All posts to `to` so far.
    pub(super) fn posts(&self, to: &str) -> Vec<Post> {
        let posts = self.posts.lock().unwrap();
        posts.iter().filter(|post| post.body["to"] == to).cloned().collect()
    }
}

async fn serve(client: TcpStream, posts: Arc<Mutex<Vec<Post>>>, is_silent: IsSilent) {
    let mut client = BufReader::new(client);
    while let Some(post) = read(&mut client).await {
        let silent = {
            let mut posts = posts.lock().unwrap();
            let silent = is_silent(&post, &posts);
            posts.push(post);
            silent
        };
        if silent {
            std::future::pending::<()>().await;
        }
        let accepted = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
        if client.write_all(accepted).await.is_err() {
            break;
        }
    }
}

/// The next request; `None` if the connection ends.
async fn read(client: &mut BufReader<TcpStream>) -> Option<Post> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_lowercase()),
        }
    }
    let mut post = Post {
        head,
        body: Value::Null,
        arrived_at: Timestamp::now(),
    };
    let mut body = vec![0; post.header("content-length").parse().ok()?];
    client.read_exact(&mut body).await.ok()?;
    post.body = serde_json::from_slice(&body).unwrap_or_default();
    Some(post)
}
