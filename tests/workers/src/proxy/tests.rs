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

#[tokio::test]
async fn a_lost_reply_follows_its_request() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let behind = server.local_addr().unwrap().to_string();
    let proxy = Proxy::start_counting(&behind, &["commit"]).await.unwrap();
    let (request, done) = ("commit", "done");
    proxy.lose(Loss { request, done });
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let (mut behind, _) = server.accept().await.unwrap();
    let mut bytes = [0; 6];
    for (request, reply) in [("begin ", "begun "), ("commit", "-done-")] {
        client.write_all(request.as_bytes()).await.unwrap();
        behind.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, request.as_bytes(), "the server has it");
        behind.write_all(reply.as_bytes()).await.unwrap();
        if request == "begin " {
            client.read_exact(&mut bytes).await.unwrap();
            assert_eq!(bytes, reply.as_bytes());
        }
    }
    assert!(!matches!(client.read(&mut bytes).await, Ok(1..)), "the reply arrived");
    assert_eq!((proxy.lost(), proxy.counted("commit")), (1, 1));
}

#[tokio::test]
async fn a_loss_whose_connection_is_cut_is_still_to_come() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(&server.local_addr().unwrap().to_string()).await.unwrap();
    let (request, done) = ("commit", "done");
    proxy.lose(Loss { request, done });
    for is_cut in [true, false] {
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        let (mut behind, _) = server.accept().await.unwrap();
        client.write_all(b"commit").await.unwrap();
        behind.read_exact(&mut [0; 6]).await.unwrap();
        match is_cut {
            true => proxy.cut(),
            false => behind.write_all(b"done").await.unwrap(),
        }
        assert!(!matches!(client.read(&mut [0]).await, Ok(1..)), "the reply arrived");
    }
    assert_eq!(proxy.lost(), 1);
}
