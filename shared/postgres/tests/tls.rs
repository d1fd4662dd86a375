//! TLS with a server that speaks only the beginning of the protocol. The real one is in `tests/server`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use idempotency::StoreError;
use postgres::{PostgresStore, Settings};
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An `ErrorResponse` with this code, which shows that the store has come as far as its password.
const REACHED: &[u8] = b"E\0\0\0\x1cSFATAL\0C28P01\0Mreached\0\0";

/// A server with a certificate for `localhost`, and the file with that certificate. Without one it offers no TLS.
async fn server(name: &str, offers_tls: bool) -> (u16, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = params.self_signed(&key).unwrap().der().clone();
    let content = base64::engine::general_purpose::STANDARD.encode(&certificate);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n");
    std::fs::write(&file, pem).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = offers_tls.then(|| TlsAcceptor::from(Arc::new(config)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let _ = serve(client, acceptor.clone()).await;
        }
    });
    (port, file)
}

async fn serve(mut client: TcpStream, acceptor: Option<TlsAcceptor>) -> std::io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await?;
    // Only a request for TLS has eight bytes.
    if length == [0, 0, 0, 8] {
        client.read_exact(&mut length).await?;
        let Some(acceptor) = acceptor else {
            client.write_all(b"N").await?;
            client.read_exact(&mut length).await?;
            return client.write_all(REACHED).await;
        };
        client.write_all(b"S").await?;
        let mut client = acceptor.accept(client).await?;
        client.read_exact(&mut length).await?;
        client.write_all(REACHED).await?;
        return client.shutdown().await;
    }
    client.write_all(REACHED).await
}

async fn refused(host: &str, port: u16, options: &str) -> String {
    let url = format!("postgres://app:secret@{host}:{port}/orders?{options}");
    let store = PostgresStore::new(Settings::from_url(&url).unwrap());
    let error = store.connect().await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    let sources = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_certificate_must_be_known_and_that_of_the_host() {
    let (port, file) = server("known", true).await;
    let (_, other) = server("other", true).await;
    let roots = |file: &PathBuf| format!("sslrootcert={}", file.display());
    for mode in ["", "&sslmode=verify-full", "&sslmode=require", "&sslmode=prefer"] {
        let reached = refused("localhost", port, &format!("{}{mode}", roots(&file))).await;
        assert!(
            reached.contains("reached (SQLSTATE 28P01, server localhost:"),
            "{reached}"
        );
        for (host, file) in [("127.0.0.1", &file), ("localhost", &other)] {
            let text = refused(host, port, &format!("{}{mode}", roots(file))).await;
            let expected = format!("TLS with {host}: the certificate was refused: ");
            assert!(text.contains(&expected) && text.contains("sslrootcert"), "{text}");
        }
    }
    let text = refused("localhost", port, "sslmode=require").await;
    assert!(text.contains("the certificate was refused: "), "{text}");
}

#[tokio::test]
async fn without_tls_only_prefer_and_disable_go_on() {
    let (port, _) = server("without", false).await;
    for mode in ["prefer", "disable"] {
        let reached = refused("localhost", port, &format!("sslmode={mode}")).await;
        assert!(reached.contains("reached (SQLSTATE 28P01"), "{reached}");
    }
    for mode in ["", "sslmode=verify-full", "sslmode=require"] {
        let text = refused("localhost", port, mode).await;
        assert!(text.contains("server does not support TLS"), "{text}");
    }
}
