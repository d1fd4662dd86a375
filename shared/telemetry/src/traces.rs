//! The export of traces, from the start of a process to its end.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::collector::{Collector, Reports};
use crate::endpoint::{Endpoint, EndpointError};
use crate::name::TARGET;

/// How long the last export may take when a process stops: orchestrators give it some seconds more than its drain.
const LONGEST_FLUSH: Duration = Duration::from_secs(3);

/// Crates whose spans are for log lines only.
const FOR_THE_LOG: [&str; 6] = ["consumer", "host", "lambda", "push", "service", "worker"];

/// Starts the log, as `host::start_logging` does, and the export of traces if the environment names an endpoint.
///
/// A wrong endpoint is a warning in the log, and no traces are exported: it must not cost a message. A runtime of Tokio must
/// run.
pub fn start_logging() -> Traces {
    start_logging_to(host::print)
}

/// The same, with this function for each line of the log, which has no line break.
pub fn start_logging_to(write: impl Fn(String) + Send + Sync + 'static) -> Traces {
    match Traces::from_env() {
        Ok(traces) if traces.0.is_some() => {
            host::start_logging_with(traces.layer(), write);
            traces
        }
        Ok(traces) => {
            host::start_logging_to(write);
            traces
        }
        Err(error) => {
            host::start_logging_to(write);
            tracing::warn!("no traces are exported: {error}");
            Traces::default()
        }
    }
}

/// Exports spans to a collector, in the background. What it does not take in time is dropped.
#[derive(Debug, Default)]
pub struct Traces(Option<Export>);

#[derive(Debug)]
struct Export {
    provider: SdkTracerProvider,
    reports: Arc<Reports>,
}

impl Traces {
    /// To the endpoint that the environment names. Without one nothing is exported.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] if the endpoint, or another variable of the export, can't be used.
    pub fn from_env() -> Result<Self, EndpointError> {
        match Endpoint::from_env()? {
            Some(endpoint) => Self::start(&endpoint),
            None => Ok(Self::default()),
        }
    }

    /// To the collector at this base URL, such as `http://localhost:4318`.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn to(base_url: &str) -> Result<Self, EndpointError> {
        Self::start(&Endpoint::below("the endpoint", base_url)?)
    }

    fn start(endpoint: &Endpoint) -> Result<Self, EndpointError> {
        let runtime = Handle::try_current();
        let runtime = runtime.map_err(|_| EndpointError("the export needs a runtime of Tokio".to_owned()))?;
        let collector = Collector::at(endpoint, runtime);
        let reports = Arc::clone(&collector.reports);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.url())
            .build()
            .map_err(|error| EndpointError(format!("the export can't start: {error}")))?;
        // Resource, sampler and limits come from the environment.
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
        Ok(Self(Some(Export { provider, reports })))
    }

    /// The layer that records spans, for a subscriber of your own. Exported are the spans of this crate, and those of level
    /// `INFO` and above of handlers and libraries.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.0.as_ref().map(|export| export.provider.tracer(TARGET));
        tracer.map(|tracer| {
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(is_exported))
        })
    }

    /// Exports what is left, for three seconds at most. Call it when the process stops, after the last message.
    pub async fn stop(self) {
        let Some(Export { provider, reports }) = self.0 else {
            return;
        };
        // It blocks its thread, and the runtime is needed for the requests.
        let flushed = spawn_blocking(move || provider.shutdown_with_timeout(LONGEST_FLUSH)).await;
        if !matches!(flushed, Ok(Ok(()))) && !reports.is_failing() {
            tracing::warn!("the last traces were not exported within {LONGEST_FLUSH:?}");
        }
    }
}

/// Events stay in the log, which has them with all their fields.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let root = target.split("::").next().unwrap_or(target);
    let is_of_others = *metadata.level() <= Level::INFO && !FOR_THE_LOG.contains(&root);
    metadata.is_span() && (target == TARGET || is_of_others)
}
