//! Counters and values of a handler, which the host adds to its own metrics.

use std::sync::{Arc, Mutex, PoisonError};

/// The counters and values that a handler's code has recorded in a batch, by [`Delivery::metrics`](crate::Delivery::metrics).
///
/// What a handler recorded before it failed counts, too: an attempt that is repeated counts again.
///
/// Misuse loses the record and no message: it is dropped, and one warning per name is logged. A name has 1 to 255 visible ASCII
/// characters, and is none of the host's own. It has one unit, and is either counted or valued. A batch has at
/// most 50 names, each with at most 10,000 values.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Few, so they are not indexed.
    recorded: Arc<Mutex<Vec<Metric>>>,
}

/// What was recorded under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// Every value, in the order of recording; of a counter, only its sum.
    pub values: Vec<f64>,
    is_counter: bool,
}

/// The unit of a value: those of the
/// [units of CloudWatch](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html) that handlers need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// A number without a unit, such as an amount of money.
    None,
    /// A number of things.
    Count,
    /// A part of a hundred.
    Percent,
    /// A time in seconds.
    Seconds,
    /// A time in milliseconds.
    Milliseconds,
    /// A size in bytes.
    Bytes,
}

impl Metric {
    /// Whether it was counted: its one value is a sum.
    pub fn is_counter(&self) -> bool {
        self.is_counter
    }
}

impl Unit {
    /// Its name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Count => "Count",
            Self::Percent => "Percent",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
        }
    }
}

impl Metrics {
    /// Adds to a counter. Adding zero makes its data exist: an alarm returns to OK only with data.
    pub fn count(&self, name: &'static str, by: u32) {
        self.record(name, Unit::Count, true, by.into());
    }

    /// Records a value, such as an amount or a duration. CloudWatch keeps minimum, maximum, average, sum and percentiles.
    pub fn value(&self, name: &'static str, value: impl Into<f64>, unit: Unit) {
        self.record(name, unit, false, value.into());
    }

    /// The values under a name, for a test; of a counter, its sum. Empty if nothing was recorded.
    pub fn recorded(&self, name: &str) -> Vec<f64> {
        let metrics = self.all();
        let metric = metrics.into_iter().find(|metric| metric.name == name);
        metric.map(|metric| metric.values).unwrap_or_default()
    }

    /// Everything that was recorded.
    pub(crate) fn all(&self) -> Vec<Metric> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, name: &'static str, unit: Unit, is_counter: bool, value: f64) {
        if let Err(why) = self.try_record(name, unit, is_counter, value)
            && is_first_warning(name)
        {
            tracing::warn!("metric {name:?} is dropped: {why}");
        }
    }

    fn try_record(&self, name: &'static str, unit: Unit, is_counter: bool, value: f64) -> Result<(), &'static str> {
        if !value.is_finite() || value.abs() > LARGEST_VALUE {
            return Err("its value is not a number, or beyond 2^360");
        }
        let mut metrics = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = metrics.len() == MOST_NAMES;
        match metrics.iter_mut().find(|metric| metric.name == name) {
            Some(metric) if (metric.unit, metric.is_counter) != (unit, is_counter) => {
                return Err("it was recorded before with another unit, or by the other of `count` and `value`");
            }
            Some(metric) if metric.is_counter => metric.values.iter_mut().for_each(|sum| *sum += value),
            Some(metric) if metric.values.len() == MOST_VALUES => {
                return Err("a batch has 10,000 values of it already");
            }
            Some(metric) => metric.values.push(value),
            None if is_full => return Err("a batch has 50 other metrics already"),
            None => {
                check_name(name)?;
                metrics.push(Metric {
                    name,
                    unit,
                    values: vec![value],
                    is_counter,
                });
            }
        }
        Ok(())
    }
}

/// The largest value that CloudWatch accepts
/// ([MetricDatum](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html)): 2^360.
const LARGEST_VALUE: f64 = 2.348_542_582_773_833_3e108;

/// With 100 values each, and names of 255 characters, this many stay below the 256 KB of a log event.
const MOST_NAMES: usize = 50;

/// A loop without end must not use up the memory of the function.
const MOST_VALUES: usize = 10_000;

/// `PutMetricData` accepts as many, the embedded metric format 1,024.
const LONGEST_NAME: usize = 255;

/// Fields of the host's line of metrics, and of log lines. Some log readers compare names without case.
const RESERVED: [&str; 28] = [
    "Done",
    "Duplicate",
    "InProgress",
    "Failed",
    "Rejected",
    "NotStarted",
    "LostLeases",
    "HandlerTime",
    "LedgerTime",
    "OldestMessageAge",
    "FunctionName",
    "_aws",
    "timestamp",
    "level",
    "message",
    "requestId",
    "xrayTraceId",
    "messageId",
    "traceId",
    "invocationTraceId",
    "key",
    "owner",
    "leaseEnd",
    "code",
    "retryAfterSeconds",
    "deadLettered",
    "location",
    "requests",
];

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a name has 1 to 255 visible ASCII characters");
    }
    match RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        true => Err("the name is one of the host's own"),
        false => Ok(()),
    }
}

/// Whether this process has not warned of the name yet. Names are literals, so there are few.
fn is_first_warning(name: &'static str) -> bool {
    static WARNED: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_first = !warned.contains(&name);
    if is_first {
        warned.push(name);
    }
    is_first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_and_values_are_kept() {
        let metrics = Metrics::default();
        metrics.count("CardsCharged", 1);
        metrics.clone().count("CardsCharged", 2);
        metrics.value("AmountCents", 1250, Unit::None);
        metrics.value("AmountCents", 0.5, Unit::None);
        assert_eq!(metrics.recorded("CardsCharged"), [3.0]);
        assert_eq!(metrics.recorded("AmountCents"), [1250.0, 0.5]);
        assert_eq!(metrics.recorded("Other"), [0.0; 0]);
    }

    #[test]
    fn misuse_is_dropped() {
        let metrics = Metrics::default();
        let long: &str = Box::leak("n".repeat(256).into_boxed_str());
        let log_fields = [
            "xrayTraceId",
            "leaseEnd",
            "Code",
            "retryAfterSeconds",
            "deadLettered",
            "location",
            "Requests",
        ];
        let others = ["", "a b", "ü", "Done", "done", "Level", "_aws", "FUNCTIONNAME", long];
        for name in others.into_iter().chain(log_fields) {
            metrics.count(name, 1);
            metrics.value(name, 1, Unit::None);
        }
        for value in [f64::NAN, f64::INFINITY, -f64::INFINITY, 2.35e108] {
            metrics.value("Amount", value, Unit::None);
        }
        assert_eq!(metrics.all(), []);
    }

    #[test]
    fn a_name_has_one_unit_and_one_kind() {
        let metrics = Metrics::default();
        metrics.value("Waited", 1, Unit::Seconds);
        metrics.value("Waited", 1000, Unit::Milliseconds);
        metrics.count("Waited", 1);
        metrics.count("Sent", 1);
        metrics.value("Sent", 7, Unit::Count);
        assert_eq!(metrics.recorded("Waited"), [1.0]);
        assert_eq!(metrics.recorded("Sent"), [1.0]);
    }

    #[test]
    fn names_and_values_of_a_batch_are_bounded() {
        let metrics = Metrics::default();
        for number in 0..60 {
            metrics.count(Box::leak(format!("n{number}").into_boxed_str()), 1);
        }
        assert_eq!(metrics.all().len(), MOST_NAMES);
        metrics.count("n0", 1);
        assert_eq!(metrics.recorded("n0"), [2.0]);
        let metrics = Metrics::default();
        (0..20_000).for_each(|value| metrics.value("Amount", value, Unit::None));
        assert_eq!(metrics.recorded("Amount").len(), MOST_VALUES);
    }

    #[test]
    fn a_name_is_warned_of_once() {
        assert!(is_first_warning("warned of once") && !is_first_warning("warned of once"));
    }
}
