//! TLS by rustls, whose errors state the host.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::client::TlsStream as Stream;

/// Connects with TLS, and verifies the server's certificate.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
}

/// TLS with the server was not possible. Its text is the last of an error's causes.
#[derive(Debug, thiserror::Error)]
#[error("TLS with {host}: {problem}")]
pub(crate) struct TlsError {
    host: String,
    problem: String,
    /// Another attempt has the same result: the certificate is refused.
    pub(crate) is_final: bool,
}

impl Connector {
    #[expect(clippy::expect_used, reason = "its message says why it can't happen")]
    pub(crate) fn new(roots: RootCertStore) -> Self {
        let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("ring offers the TLS versions that are on by default")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            config: Arc::new(config),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Connector {
    type Stream = Encrypted<S>;
    type TlsConnect = ToHost;
    type Error = TlsError;

    fn make_tls_connect(&mut self, host: &str) -> Result<ToHost, TlsError> {
        Ok(ToHost {
            config: Arc::clone(&self.config),
            host: host.to_owned(),
        })
    }
}

/// A connector to one host.
pub(crate) struct ToHost {
    config: Arc<ClientConfig>,
    host: String,
}

impl ToHost {
    async fn handshake<S>(self, stream: S) -> Result<Encrypted<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let failed = |is_final, problem: String| TlsError {
            host: self.host.clone(),
            problem,
            is_final,
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| failed(true, "no name of a host".to_owned()))?;
        let connected = tokio_rustls::TlsConnector::from(self.config)
            .connect(name, stream)
            .await;
        connected.map(Encrypted).map_err(|error| match certificate_problem(&error) {
            Some(problem) => failed(
                true,
                format!("the certificate was refused: {problem}; name its issuer's certificate in sslrootcert, or correct it"),
            ),
            None => failed(false, error.to_string()),
        })
    }
}

fn certificate_problem(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => Some(problem.to_string()),
        _ => None,
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ToHost {
    type Stream = Encrypted<S>;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted<S>, TlsError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(self.handshake(stream))
    }
}

/// A TLS session with the server.
pub(crate) struct Encrypted<S>(Stream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    /// SCRAM without channel binding: the verified certificate is what names the server.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
