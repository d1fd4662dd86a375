//! What a host measures, in the text format of Prometheus.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use consumer::{Metric, Summary};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;
type Seconds = Counter<f64, AtomicU64>;
type Durations = Family<Labels, Histogram, fn() -> Histogram>;

/// The metrics of all queues of a process.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    messages: Family<Labels, Counter>,
    errors: Family<Labels, Counter>,
    lost_leases: Family<Labels, Counter>,
    ledger_errors: Family<Labels, Counter>,
    in_flight: Family<Labels, Gauge>,
    oldest_age: Family<Labels, Gauge<f64, AtomicU64>>,
    handler: Durations,
    ledger: Family<Labels, Seconds>,
    /// Those that handlers recorded, by the name that Prometheus reads.
    own: Arc<Mutex<HashMap<String, Own>>>,
}

#[derive(Debug, Clone)]
enum Own {
    Count(Family<Labels, Seconds>),
    Values(Durations),
}

impl Metrics {
    /// None yet. Each name begins with this prefix.
    pub fn new(prefix: &str) -> Self {
        let mut registry = Registry::with_prefix(prefix);
        let metrics = Self {
            registry: Arc::default(),
            messages: Family::default(),
            errors: Family::default(),
            lost_leases: Family::default(),
            ledger_errors: Family::default(),
            in_flight: Family::default(),
            oldest_age: Family::default(),
            handler: Family::new_with_constructor(durations),
            ledger: Family::default(),
            own: Arc::default(),
        };
        registry.register("messages", "Processed messages by outcome", metrics.messages.clone());
        registry.register(
            "queue_errors",
            "Failed requests to a queue, or failed entries of them",
            metrics.errors.clone(),
        );
        registry.register(
            "lost_leases",
            "Leases that another attempt took over",
            metrics.lost_leases.clone(),
        );
        registry.register(
            "ledger_errors",
            "Messages about which the ledger gave no answer, or refused one",
            metrics.ledger_errors.clone(),
        );
        registry.register(
            "messages_in_flight",
            "Messages that are received and not settled",
            metrics.in_flight.clone(),
        );
        registry.register(
            "message_age_seconds",
            "Time from sending a message to its verdict, of the last message",
            metrics.oldest_age.clone(),
        );
        registry.register(
            "handler_seconds",
            "Time in the handler of a message",
            metrics.handler.clone(),
        );
        registry.register("ledger_seconds", "Time waiting for the ledger", metrics.ledger.clone());
        *lock(&metrics.registry) = registry;
        metrics
    }

    /// Those of one queue, at which these operations can fail.
    pub fn of_queue(&self, queue: &str, operations: &[&'static str]) -> QueueMetrics {
        let metrics = QueueMetrics {
            metrics: self.clone(),
            queue: vec![("queue", queue.to_owned())],
        };
        // A counter that does not exist yet can't be seen to grow.
        for outcome in OUTCOMES {
            drop(self.messages.get_or_create(&metrics.with("outcome", outcome)));
        }
        for operation in operations {
            metrics.errors(operation, 0);
        }
        self.ledger_errors(&metrics.queue, 0);
        metrics.in_flight(0);
        metrics
    }

    /// How many messages of a queue are in flight, whenever it is called.
    pub fn in_flight_of(&self, queue: &str) -> impl Fn() -> usize + use<> {
        let (gauges, labels) = (self.in_flight.clone(), vec![("queue", queue.to_owned())]);
        move || usize::try_from(gauges.get_or_create(&labels).get()).unwrap_or_default()
    }

    /// The lines that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &lock(&self.registry));
        text
    }

    fn ledger_errors(&self, queue: &Labels, count: u32) {
        self.ledger_errors.get_or_create(queue).inc_by(count.into());
    }

    fn own(&self, metric: &Metric) -> Own {
        let mut own = lock(&self.own);
        let name = own_name(metric.name);
        let registered = own.entry(name.clone()).or_insert_with(|| {
            let help = format!("Recorded by a handler, in {}", metric.unit.name());
            let mut registry = lock(&self.registry);
            if metric.is_counter() {
                let family = Family::default();
                registry.register(name, help, family.clone());
                return Own::Count(family);
            }
            let family = Durations::new_with_constructor(durations);
            registry.register(name, help, family.clone());
            Own::Values(family)
        });
        registered.clone()
    }
}

const OUTCOMES: [&str; 6] = ["done", "duplicate", "in_progress", "failed", "rejected", "not_started"];

/// The metrics of one queue.
#[derive(Debug, Clone)]
pub struct QueueMetrics {
    metrics: Metrics,
    queue: Labels,
}

impl QueueMetrics {
    /// Counts a processed message.
    pub fn processed(&self, summary: &Summary, own: &[Metric]) {
        let Self { metrics, queue } = self;
        let counts = [
            summary.done,
            summary.duplicate,
            summary.in_progress,
            summary.failed,
            summary.rejected,
            summary.not_started,
        ];
        for (outcome, count) in OUTCOMES.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
            let labels = self.with("outcome", outcome);
            metrics.messages.get_or_create(&labels).inc_by(count.into());
        }
        let lost = metrics.lost_leases.get_or_create(queue);
        lost.inc_by(summary.lost_leases.into());
        drop(lost);
        metrics.ledger_errors(queue, summary.ledger_errors);
        let handler = metrics.handler.get_or_create(queue);
        handler.observe(summary.handler_time.as_secs_f64());
        drop(handler);
        let ledger = metrics.ledger.get_or_create(queue);
        ledger.inc_by(summary.ledger_time.as_secs_f64());
        drop(ledger);
        if let Some(age) = summary.oldest_message_age {
            metrics.oldest_age.get_or_create(queue).set(age.as_secs_f64());
        }
        own.iter().for_each(|metric| self.own(metric));
    }

    fn own(&self, metric: &Metric) {
        match self.metrics.own(metric) {
            // A counter can't fall; a handler counts in whole numbers.
            Own::Count(family) => {
                let counter = family.get_or_create(&self.queue);
                counter.inc_by(metric.values.iter().sum::<f64>().max(0.0));
            }
            Own::Values(family) => {
                let histogram = family.get_or_create(&self.queue);
                metric.values.iter().for_each(|value| histogram.observe(*value));
            }
        }
    }

    /// Counts failed requests or entries.
    pub fn errors(&self, operation: &str, count: usize) {
        let labels = self.with("operation", operation);
        let errors = self.metrics.errors.get_or_create(&labels);
        errors.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// This many messages are in flight.
    pub fn in_flight(&self, messages: usize) {
        let in_flight = self.metrics.in_flight.get_or_create(&self.queue);
        in_flight.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// One message more is in flight.
    pub fn began(&self) {
        self.metrics.in_flight.get_or_create(&self.queue).inc();
    }

    /// One message less is in flight.
    pub fn ended(&self) {
        self.metrics.in_flight.get_or_create(&self.queue).dec();
    }

    fn with(&self, name: &'static str, value: &str) -> Labels {
        let mut labels = self.queue.clone();
        labels.push((name, value.to_owned()));
        labels
    }
}

/// From a millisecond to a quarter of an hour.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 11))
}

/// The name in Prometheus of what a handler recorded, with the characters that it allows
/// ([data model](https://prometheus.io/docs/concepts/data_model/)).
fn own_name(name: &str) -> String {
    match name {
        // The host has one of this name.
        "seconds" => "handler_seconds_recorded".to_owned(),
        name => format!("handler_{}", sanitized(name)),
    }
}

fn sanitized(name: &str) -> String {
    let allowed = |character: char| match character.is_ascii_alphanumeric() {
        true => character,
        false => '_',
    };
    name.chars().map(allowed).collect()
}

/// A panic while it is locked can't leave half a change behind, so a poisoned lock is usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod open_metrics;
#[cfg(test)]
mod tests;
