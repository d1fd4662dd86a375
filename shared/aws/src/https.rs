//! The HTTPS client for the AWS SDK's requests and for handlers.
//!
//! rustls with *ring*, compiled-in root certificates, HTTP/1.1. The SDK's own client accepts root certificates only as PEM,
//! and would parse them at each start.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore};

use crate::connector::Connector;
use crate::roots::{RootsError, files, roots};

/// A client for `http` and `https` URLs that keeps its connections open.
pub type HttpsClient = Client<Connector, SdkBody>;

/// A connection attempt that takes longer fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A client whose only timeout is one second for a connection attempt. The caller sets the others.
///
/// If [`load_roots`] fails, so does every connection to an `https` URL.
pub fn https_client() -> HttpsClient {
    let mut tcp = TcpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let tls = tls();
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls.config.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(Connector {
            https,
            roots: tls.roots.clone(),
        })
}

/// Loads the root certificates for all clients of this process, unless that is done: those compiled in and, in addition, those
/// in the PEM files that `AWS_CA_BUNDLE` and `SSL_CERT_FILE` name. No file is read if neither is set.
///
/// A program calls it at its start, so that a wrong file is reported there.
///
/// # Errors
///
/// [`RootsError`] if a file can't be read, is broken, or holds no certificate that can be used.
pub fn load_roots() -> Result<(), RootsError> {
    tls().roots.clone()
}

/// What all clients of a process share.
struct Tls {
    config: ClientConfig,
    roots: Result<(), RootsError>,
}

#[expect(clippy::expect_used, reason = "its message says why it can't happen")]
fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let (trusted, roots) = match roots(files()) {
            Ok(trusted) => (trusted, Ok(())),
            Err(error) => (RootCertStore::empty(), Err(error)),
        };
        let config = ClientConfig::builder_with_provider(provider().into())
            .with_safe_default_protocol_versions()
            .expect("ring offers the TLS versions that are on by default")
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Tls { config, roots }
    })
}

/// *ring* without private keys: no client here has a certificate, and reading and using keys is 1 % of a function.
fn provider() -> CryptoProvider {
    CryptoProvider {
        key_provider: &NoKeys,
        ..default_provider()
    }
}

#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General(
            "client certificates are not supported".to_owned(),
        ))
    }
}

/// Adapts the client to the SDK.
#[derive(Debug, Clone)]
pub(crate) struct SdkClient(pub(crate) HttpsClient);

impl HttpClient for SdkClient {
    /// The settings hold timeouts that the SDK also enforces around each attempt.
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SdkClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let response = self.0.request(request);
        HttpConnectorFuture::new(async move {
            // The SDK may retry every error: the ledger's requests are conditional.
            let response = response.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
