//! Log lines in Lambda's JSON format, one object per line.
//!
//! A line has `timestamp`, `level` and `message`, the fields of the spans around the event (`requestId`, `messageId`, `key`)
//! and the fields of the event itself. Lambda's own lines have this format
//! ([advanced logging controls](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html)),
//! so one query finds all lines of a request.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Writes log lines and panics to standard output, which Lambda collects.
///
/// The level is that of `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets, or of `LOG_LEVEL`; the default is `INFO`.
pub fn start_logging() {
    start_logging_to(print);
}

/// The same, with this function for each line, which has no line break.
pub fn start_logging_to(write: impl Fn(String) + Send + Sync + 'static) {
    let stated = stated_level();
    // A filter of one layer runs at each entering and leaving of a span; that of a subscriber is not.
    let level = level(stated.as_deref());
    start(
        tracing_subscriber::registry().with(JsonLines { write }).with(level),
        stated,
    );
}

/// The same, with another layer beside the log: one that exports traces, for example. It gets spans and events of every level,
/// as far as it does not filter them.
pub fn start_logging_with(layer: impl Layer<Registry> + Send + Sync, write: impl Fn(String) + Send + Sync + 'static) {
    let stated = stated_level();
    let lines = JsonLines { write }.with_filter(level(stated.as_deref()));
    start(tracing_subscriber::registry().with(layer).with(lines), stated);
}

/// The level that a variable states.
fn stated_level() -> Option<String> {
    let level = ["AWS_LAMBDA_LOG_LEVEL", "LOG_LEVEL"].map(|variable| std::env::var(variable).ok());
    level.into_iter().flatten().find(|level| !level.is_empty())
}

fn start(subscriber: impl SubscriberInitExt, stated: Option<String>) {
    // A second host in one process, as in tests, keeps the logging of the first.
    let _ = subscriber.try_init();
    if let Some(stated) = stated.filter(|stated| !is_level(stated)) {
        tracing::warn!("log level {stated:?} is unknown, and INFO is used; use TRACE, DEBUG, INFO, WARN or ERROR");
    }
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            location = panic.location().map(ToString::to_string),
            "panic: {}",
            panic.payload_as_str().unwrap_or("(no message)")
        );
    }));
}

/// Not what the client of RabbitMQ logs: it quotes the bodies of returned messages, and reports a clean end as an error. Its
/// errors reach the log by the code that calls it.
fn is_logged(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("lapin")
}

fn is_level(name: &str) -> bool {
    let names = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    names.iter().any(|level| level.eq_ignore_ascii_case(name))
}

/// One of Lambda's log levels; `INFO` if it is unknown or not set.
fn level(name: Option<&str>) -> LevelFilter {
    match name.unwrap_or_default().to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// Writes a line to standard output. If that is closed the line is lost: logging must not fail, least of all in a panic.
pub fn print(mut line: String) {
    // With its line break, so that it is one system call.
    line.push('\n');
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Writes each event as one line.
struct JsonLines<W> {
    write: W,
}

/// The fields of a span, stored with it for the events inside.
struct Fields(Vec<(&'static str, Value)>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(String) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_logged(attributes.metadata()) {
            return;
        }
        let mut fields = Vec::with_capacity(attributes.fields().len());
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(Fields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !is_logged(event.metadata()) {
            return;
        }
        let mut line = vec![
            ("timestamp", timestamp(SystemTime::now()).into()),
            ("level", event.metadata().level().as_str().into()),
        ];
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(Fields(fields)) = span.extensions().get() {
                line.extend_from_slice(fields);
            }
        }
        event.record(&mut Collect(&mut line));
        // Of two fields with one name, the later counts.
        let line: Map<_, _> = line.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        (self.write)(Value::Object(line).to_string());
    }
}

/// RFC 3339, in UTC, with milliseconds.
fn timestamp(now: SystemTime) -> String {
    humantime::format_rfc3339_millis(now).to_string()
}

/// Collects fields as JSON values.
struct Collect<'a>(&'a mut Vec<(&'static str, Value)>);

impl Collect<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name(), value.into()));
    }
}

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}

#[cfg(test)]
mod tests;
