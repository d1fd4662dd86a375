//! Log lines as Lambda's JSON format has them, one object each.
//!
//! `timestamp`, `level`, `message`, the fields of the spans around the event (`requestId`, `messageId`) and of the event
//! itself. Lambda's own lines are of this shape
//! ([advanced logging controls](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html)),
//! so that one query finds all lines of a request.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends log lines to standard output, which Lambda collects, and panics with them.
pub(crate) fn start() {
    let level = level(std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().as_deref());
    let lines = JsonLines { write: print };
    // A second host in one process (a test's) keeps the first's.
    let _ = tracing_subscriber::registry().with(lines.with_filter(level)).try_init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(
            location = panic.location().map(ToString::to_string),
            "panic: {}",
            panic.payload_as_str().unwrap_or("(no message)")
        );
    }));
}

/// Lambda's words for levels; what is none of them, or not set, is `INFO`.
fn level(word: Option<&str>) -> LevelFilter {
    match word.unwrap_or_default().to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// Whoever has closed standard output does not want to hear of it, least of all in a panic.
pub(crate) fn print(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Makes a line of each event.
struct JsonLines<W> {
    write: W,
}

/// A span's fields, kept with it until an event inside it is logged.
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(String) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), timestamp(SystemTime::now()).into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            if let Some(Fields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        event.record(&mut Collect(&mut line));
        (self.write)(Value::Object(line).to_string());
    }
}

/// RFC 3339, in UTC, at most three digits after the second.
fn timestamp(now: SystemTime) -> String {
    let millis = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let time = DateTime::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    time.fmt(Format::DateTimeWithOffset).unwrap_or_default()
}

/// Collects fields as JSON values.
struct Collect<'a>(&'a mut Map<String, Value>);

impl Collect<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
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
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use batch::{Budget, Delivery, Failure, Handler, QueueFault, Services, SqsEvent};
    use idempotency::{Completion, Timestamp};
    use serde_json::json;

    use super::*;

    fn lines_of(act: impl FnOnce()) -> Vec<Value> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let layer = JsonLines {
            write: move |line: String| sink.lock().unwrap().push(line),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        lines
            .lock()
            .unwrap()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_line_has_time_level_message_and_the_ids_of_its_spans() {
        let lines = lines_of(|| {
            let _invocation = tracing::info_span!("invocation", requestId = "r-1").entered();
            let _message = tracing::info_span!("message", messageId = "m-1").entered();
            tracing::warn!(attempt = 2, "no \"luck\"\n{}", "today");
        });
        let line = &lines[0];
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "no \"luck\"\ntoday");
        assert_eq!((&line["requestId"], &line["messageId"]), (&"r-1".into(), &"m-1".into()));
        assert_eq!(line["attempt"], 2);
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn the_timestamp_is_rfc_3339_in_utc_without_trailing_zeros() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_120);
        assert_eq!(timestamp(time), "2023-11-14T22:13:20.12Z");
    }

    #[test]
    fn lambdas_words_for_levels_are_understood() {
        assert_eq!(level(Some("debug")), LevelFilter::DEBUG);
        assert_eq!(level(Some("FATAL")), LevelFilter::ERROR);
        assert_eq!(level(Some("nonsense")), LevelFilter::INFO);
        assert_eq!(level(None), LevelFilter::INFO);
    }

    /// Says something of its own, and does as it is told.
    struct Speaking;

    impl Handler for Speaking {
        type Message = String;
        const NAMESPACE: &'static str = "speaking";

        async fn handle(&self, deed: String, _: &Delivery) -> Result<Completion, Failure> {
            tracing::info!("at work");
            match &*deed {
                "fail" => Err(Failure::retry_after(Duration::from_secs(60), "not today")),
                "reject" => Err(Failure::permanent("not ever")),
                _ => Ok(Completion::new()),
            }
        }
    }

    const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

    fn lines_of_a_batch(deeds: &[&str], fault: Option<QueueFault>) -> Vec<Value> {
        let record = |(n, deed): (usize, &&str)| {
            json!({
                "messageId": format!("m-{n}"),
                "receiptHandle": "r",
                "body": format!("\"{deed}\""),
                "attributes": {"AWSTraceHeader": format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1")},
            })
        };
        let records: Vec<_> = deeds.iter().enumerate().map(record).collect();
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let services = Services::in_memory().with_dead_letter_queue("dead");
        fault.into_iter().for_each(|fault| services.queues().inject(fault));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        lines_of(|| {
            runtime.block_on(async {
                let now = Timestamp::now();
                let budget = Budget::new(now, now.plus(Duration::from_secs(30)));
                batch::run(&Arc::new(Speaking), &services, event, &budget)
                    .await
                    .unwrap();
            });
        })
    }

    #[test]
    fn what_is_said_of_a_message_and_by_its_handler_names_it_and_its_trace() {
        let lines = lines_of_a_batch(&["succeed", "fail", "reject"], None);
        let said = |message: &str, level: &str| {
            let said = lines
                .iter()
                .filter(|line| line["messageId"] == message && line["level"] == level);
            said.map(|line| line["message"].clone()).collect::<Vec<_>>()
        };
        for message in ["m-0", "m-1", "m-2"] {
            assert_eq!(said(message, "INFO"), ["at work"]);
        }
        assert_eq!(said("m-1", "WARN"), ["failed: not today"]);
        assert_eq!(said("m-2", "ERROR"), ["rejected: not ever"]);
        assert!(lines.iter().all(|line| line["traceId"] == TRACE), "{lines:?}");
        let failed = lines.iter().find(|line| line["level"] == "WARN").unwrap();
        assert_eq!(failed["retryAfterSeconds"], 60);
        let rejected = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
        assert_eq!(rejected["deadLettered"], true);
    }

    #[test]
    fn delays_that_were_not_set_are_one_line_however_many() {
        let lines = lines_of_a_batch(&["fail"; 15], Some(QueueFault::NotChanged));
        let told: Vec<_> = lines.iter().filter(|line| line["messageId"].is_null()).collect();
        assert_eq!(told.len(), 1);
        let text = told[0]["message"].as_str().unwrap();
        assert!(text.starts_with("delays of failed messages were not set: "), "{text}");
        assert!(text.ends_with("injected"), "{text}");
        assert_eq!(told[0]["level"], "WARN");
    }

    #[test]
    fn a_letter_that_was_not_sent_is_told_with_its_message() {
        let lines = lines_of_a_batch(&["reject"], Some(QueueFault::NotSent));
        let warned = lines.iter().find(|line| line["level"] == "WARN").unwrap();
        assert_eq!(warned["messageId"], "m-0");
        let text = warned["message"].as_str().unwrap();
        assert!(text.starts_with("it was not dead-lettered: queue dead: "), "{text}");
        let rejected = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
        assert_eq!(rejected["deadLettered"], false);
    }
}
