//! Where traces are exported to.

use host::optional_setting;
use http::Uri;
use http::uri::Scheme;

/// The base URL of a collector, and the URL for traces
/// ([variables](https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp)).
const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// The path for traces below the base URL.
const PATH: &str = "v1/traces";

/// Traces can't be exported to the configured endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndpointError(pub(crate) String);

/// An `http` or `https` URL that traces are sent to.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint(Uri);

impl Endpoint {
    /// The endpoint that the environment names; `None`: traces are not exported.
    pub(crate) fn from_env() -> Result<Option<Self>, EndpointError> {
        let setting = |variable| optional_setting(variable).map_err(|error| EndpointError(error.to_string()));
        if setting("OTEL_SDK_DISABLED")?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match (setting(OF_TRACES)?, setting(BASE)?) {
            (Some(url), _) => Self::parse(&variable(OF_TRACES), &url).map(Some),
            (None, Some(url)) => Self::below(&variable(BASE), &url).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The endpoint for traces below a collector's base URL.
    pub(crate) fn below(setting: &str, base: &str) -> Result<Self, EndpointError> {
        Self::parse(setting, &format!("{}/{PATH}", base.trim_end_matches('/')))
    }

    fn parse(setting: &str, url: &str) -> Result<Self, EndpointError> {
        // The value is not quoted: it may contain a secret.
        let wrong = |problem| Err(EndpointError(format!("{setting} {problem}")));
        let Ok(url) = url.parse::<Uri>() else {
            return wrong("is not a URL; set it to the collector's, such as http://localhost:4318");
        };
        match (url.scheme(), url.authority()) {
            (Some(_), Some(authority)) if authority.as_str().contains('@') => {
                wrong("contains user information; remove it, and set OTEL_EXPORTER_OTLP_HEADERS")
            }
            (Some(scheme), Some(_)) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => Ok(Self(url)),
            _ => wrong("is not an http or https URL; set it to the collector's, such as http://localhost:4318"),
        }
    }

    /// The whole URL, whose path may contain a secret.
    pub(crate) fn url(&self) -> String {
        self.0.to_string()
    }

    /// Scheme, host and port, for log lines.
    pub(crate) fn origin(&self) -> String {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        format!("{scheme}://{authority}")
    }
}

fn variable(name: &str) -> String {
    format!("environment variable {name}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use super::*;

    #[test]
    fn traces_go_below_the_base_url() {
        for (base, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://otel.example/token/", "https://otel.example/token/v1/traces"),
        ] {
            let endpoint = Endpoint::below("E", base).unwrap();
            assert_eq!(endpoint.url(), expected);
            assert!(!endpoint.origin().contains("token"));
        }
    }

    #[test]
    fn a_wrong_endpoint_is_refused_without_its_value() {
        for (url, problem) in [
            ("localhost:4318", "is not a"),
            ("grpc://secret:4317", "is not an http or https URL"),
            ("not a secret URL", "is not a URL"),
            ("http://user:secret@otel.example", "contains user information"),
            ("", "is not a"),
        ] {
            let error = Endpoint::below("setting E", url).unwrap_err().to_string();
            assert!(error.starts_with(&format!("setting E {problem}")), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
