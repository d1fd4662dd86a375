//! TCP and TLS connections whose errors state what is wrong with a certificate, and of which host.

use std::error::Error;
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use rustls::CertificateError as Problem;
use tower_service::Service;

use crate::roots::{self, RootsError};

type Cause = Box<dyn Error + Send + Sync>;

/// Connects to `http` and `https` URLs.
#[derive(Debug, Clone)]
pub struct Connector {
    pub(crate) https: HttpsConnector<TcpConnector>,
    /// Without the roots that the environment names, there is no TLS.
    pub(crate) roots: Result<(), RootsError>,
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<TcpConnector> as Service<Uri>>::Response;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match &self.roots {
            Err(error) if uri.scheme() == Some(&Scheme::HTTPS) => Box::pin(ready(Err(error.clone().into()))),
            _ => {
                let connection = self.https.call(uri.clone());
                Box::pin(async move { connection.await.map_err(|error| described(&uri, error)) })
            }
        }
    }
}

/// The certificate of a server was refused. Its text states the host, the reason and what to do. It is the last of an error's
/// causes.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of {host} {problem}")]
pub struct CertificateError {
    host: String,
    problem: String,
}

/// The error itself, unless it is about the server's certificate.
fn described(uri: &Uri, error: Cause) -> Cause {
    match problem(&*error) {
        Some(problem) => Box::new(CertificateError {
            host: uri.host().unwrap_or_default().to_owned(),
            problem: text(problem),
        }),
        None => error,
    }
}

/// What is wrong with the certificate, if that is the cause of the error.
fn problem<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Problem> {
    if let Some(rustls::Error::InvalidCertificate(problem)) = error.downcast_ref() {
        return Some(problem);
    }
    match error.downcast_ref::<io::Error>() {
        // Its `source` would skip the error in it.
        Some(error) => problem(error.get_ref()?),
        None => problem(error.source()?),
    }
}

/// Continues "the certificate of a host".
fn text(problem: &Problem) -> String {
    match problem {
        Problem::UnknownIssuer => {
            let issued = "was issued by an authority that is not trusted (unknown issuer)";
            format!("{issued}; {}", hint(roots::files().map(|(variable, _)| variable).collect()))
        }
        // The name is an error of webpki, which rustls has no variant for.
        Problem::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is that of a certificate authority (CA:TRUE), which no server may use (CaUsedAsEndEntity); issue another for \
             the server, with CA:FALSE"
                .to_owned()
        }
        other => format!("was refused: {other}"),
    }
}

/// What makes an authority a trusted one. `set` are the variables that already name a file.
fn hint(set: Vec<&str>) -> String {
    let variables = roots::VARIABLES.join(" or ");
    let hint = format!("set {variables} to a PEM file with the authority's certificate");
    match set.is_empty() {
        true => hint,
        false => format!("{hint} (already set, to a file without it: {})", set.join(", ")),
    }
}
