//! Requests to a collector.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws::{HttpsClient, https_client};
use aws_smithy_types::body::SdkBody;
use consumer::Chain;
use http_body_util::{BodyExt, Limited};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::endpoint::Endpoint;

/// How long a collector may take for its answer: the default of
/// [OTLP](https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options).
const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer is a few bytes: which spans were refused, and why.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The HTTP client of the exporter, which calls it outside the runtime, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Collector {
    client: HttpsClient,
    runtime: Handle,
    pub(crate) reports: Arc<Reports>,
}

impl Collector {
    /// Requests run in this runtime.
    pub(crate) fn at(endpoint: &Endpoint, runtime: Handle) -> Self {
        Self {
            client: https_client(),
            runtime,
            reports: Arc::new(Reports {
                origin: endpoint.origin(),
                is_failing: AtomicBool::new(false),
            }),
        }
    }
}

type Answer = Result<Response<Bytes>, HttpError>;

impl HttpClient for Collector {
    fn send_bytes<'a, 'future>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'future>>
    where
        'a: 'future,
        Self: 'future,
    {
        let (client, reports) = (self.client.clone(), Arc::clone(&self.reports));
        let answered = self.runtime.spawn(async move {
            let answer = timeout(TIMEOUT, exchange(client, request)).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}").into()));
            reports.report(&answer);
            answer
        });
        Box::pin(async move { answered.await? })
    }
}

async fn exchange(client: HttpsClient, request: Request<Bytes>) -> Answer {
    let response = client.request(request.map(SdkBody::from)).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// What is logged about exports: one line when they begin to fail, not one for each.
#[derive(Debug)]
pub(crate) struct Reports {
    origin: String,
    is_failing: AtomicBool,
}

impl Reports {
    /// Whether the last export failed, which is in the log.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    fn report(&self, answer: &Answer) {
        let why = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(Chain(&**error).to_string()),
        };
        let was_failing = self.is_failing.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(why) if !was_failing => tracing::warn!(
                "traces can't be exported to {}: {why}; check that OTEL_EXPORTER_OTLP_ENDPOINT names a collector's port for OTLP \
                 over HTTP, usually 4318; messages are processed as before",
                self.origin
            ),
            None if was_failing => tracing::info!("traces are exported to {} again", self.origin),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use std::sync::Mutex;

    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    use super::*;

    /// Keeps the level of each event.
    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<tracing::Level>>>);

    impl<S: tracing::Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn the_begin_and_the_end_of_failures_are_logged() {
        let reports = Reports {
            origin: "http://localhost:4318".to_owned(),
            is_failing: AtomicBool::new(false),
        };
        let answer = |status: u16| -> Answer { Ok(Response::builder().status(status).body(Bytes::new()).unwrap()) };
        let levels = Levels::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(levels.clone()), || {
            for answer in [
                answer(200),
                answer(404),
                Err("refused".into()),
                answer(200),
                answer(202),
                answer(503),
            ] {
                reports.report(&answer);
            }
        });
        let expected = [tracing::Level::WARN, tracing::Level::INFO, tracing::Level::WARN];
        assert_eq!(*levels.0.lock().unwrap(), expected);
    }
}
