//! A proxy that loses replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that cuts the connection instead of passing on the first replies, this many of them.
pub(crate) async fn proxy(api: &str, cut: u32) -> (String, Arc<AtomicU32>) {
    let server = api.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let is_cut = count.fetch_add(1, Ordering::SeqCst) < cut;
            tokio::spawn(forward(client, server, is_cut));
        }
    });
    (url, requests)
}

async fn forward(mut client: TcpStream, mut server: TcpStream, is_cut: bool) {
    if !is_cut {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let mut buffer = vec![0; 64 * 1024];
    let mut reply = [0; 1];
    loop {
        tokio::select! {
            read = client.read(&mut buffer) => match read {
                Ok(bytes @ 1..) => server.write_all(&buffer[..bytes]).await.unwrap(),
                _ => return,
            },
            // The server has replied: it did what was requested.
            _ = server.read(&mut reply) => return,
        }
    }
}
