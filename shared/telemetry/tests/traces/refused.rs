//! A collector that does not take spans.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use consumer::{Incoming, MessageId, Summary};
use telemetry::{ProcessSpan, Traces};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::collector::Collector;

/// Keeps each event as its level and message.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    write!(self.0, "{value:?}").unwrap();
                }
            }
        }
        let mut text = Text(format!("{}: ", event.metadata().level()));
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
}

/// More than two requests have.
const MANY: usize = 1100;

#[tokio::test]
async fn exports_that_fail_again_and_again_are_one_warning() {
    let collector = Collector::start(StatusCode::BAD_REQUEST).await;
    let traces = Traces::to(&collector.url).unwrap();
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(log.clone()).with(traces.layer());
    let guard = tracing::subscriber::set_default(subscriber);
    for _ in 0..MANY {
        let mut message = Incoming::new(MessageId::new("m-1").unwrap(), "{}");
        ProcessSpan::start("memory", "orders", &mut message).end(&Summary::default());
    }
    traces.stop().await;
    drop(guard);
    assert!(collector.requests() > 1, "{}", collector.requests());
    let mut lines = log.0.lock().unwrap().clone();
    lines.retain(|line| line.contains("traces can't be exported"));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let expected = format!(
        "WARN: traces can't be exported to {}: it answered 400 Bad Request; ",
        collector.url
    );
    assert!(line.starts_with(&expected), "{line}");
}
