//! The summary of a batch as CloudWatch metrics: one log line, from which CloudWatch extracts them.
//!
//! The line is in the [embedded metric format][emf] and costs no request. It is written without a library:
//! `metrics_cloudwatch_embedded` 0.10 has one set of metrics per process. Concurrent batches would mix, and a gauge would
//! keep the age of the previous batch. It adds 186 KB to a small release binary; this adds 18 KB.
//!
//! Lambda treats a line without `level` as `INFO`. At a higher log level it drops the metrics as well
//! ([log-level filtering](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html)).
//!
//! [emf]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use consumer::{Metric, Summary};
use idempotency::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The CloudWatch namespace of the metrics.
const NAMESPACE: &str = "SqsConsumer";

/// The only dimension of the metrics.
const FUNCTION_NAME: &str = "FunctionName";

/// The most values that a metric may have in one line, by the specification of the format.
const MOST_VALUES: usize = 100;

/// The lines to print after a batch of the function: one, and another for each further hundred values of a metric of the handler.
///
/// Times are in milliseconds, the age in seconds.
pub fn metrics_lines(function: &str, now: Timestamp, summary: &Summary, own: &[Metric]) -> Vec<String> {
    let lines = own.iter().map(|metric| metric.values.len().div_ceil(MOST_VALUES)).max();
    let line = |number: usize| {
        let own = own.iter().filter_map(|metric| own_value(metric, number));
        match number {
            0 => line(function, now, values(summary).chain(own)),
            _ => line(function, now, own),
        }
    };
    (0..lines.unwrap_or(1)).map(line).collect()
}

fn line<'a>(function: &str, now: Timestamp, values: impl Iterator<Item = Measured<'a>> + Clone) -> String {
    let line = Line { function, now, values };
    // Room for all of our metrics.
    let mut text = Vec::with_capacity(1000);
    // Strings and numbers: nothing in them can't be written.
    let _ = serde_json::to_writer(&mut text, &line);
    String::from_utf8(text).unwrap_or_default()
}

/// A metric in one line: name, unit and value.
type Measured<'a> = (&'a str, &'a str, Number<'a>);

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Number<'a> {
    Count(u32),
    One(f64),
    Many(&'a [f64]),
}

struct Line<'a, V> {
    function: &'a str,
    now: Timestamp,
    values: V,
}

impl<'a, V: Iterator<Item = Measured<'a>> + Clone> Serialize for Line<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &Metadata::of(self))?;
        line.serialize_entry(FUNCTION_NAME, self.function)?;
        for (name, _, value) in self.values.clone() {
            line.serialize_entry(name, &value)?;
        }
        line.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: u64,
    #[serde(rename = "CloudWatchMetrics")]
    directives: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Definition<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition<'a> {
    name: &'a str,
    unit: &'a str,
}

impl<'a> Metadata<'a> {
    fn of<V: Iterator<Item = Measured<'a>> + Clone>(line: &Line<'_, V>) -> Self {
        let definitions = line.values.clone().map(|(name, unit, _)| Definition { name, unit });
        let directive = Directive {
            namespace: NAMESPACE,
            dimensions: [[FUNCTION_NAME]],
            metrics: definitions.collect(),
        };
        Self {
            timestamp: line.now.millis(),
            directives: [directive],
        }
    }
}

/// The part of a handler's metric that this line has.
fn own_value(metric: &Metric, line: usize) -> Option<Measured<'_>> {
    let Metric { name, unit, values, .. } = metric;
    let value = match values.chunks(MOST_VALUES).nth(line)? {
        [value] => Number::One(*value),
        values => Number::Many(values),
    };
    Some((name, unit.name(), value))
}

/// Each metric's name, unit and value. Zeros are included: an alarm returns to OK only with data.
fn values<'a>(summary: &Summary) -> impl Iterator<Item = Measured<'a>> + Clone + use<'a> {
    let counts = [
        ("Done", summary.done),
        ("Duplicate", summary.duplicate),
        ("InProgress", summary.in_progress),
        ("Failed", summary.failed),
        ("Rejected", summary.rejected),
        ("NotStarted", summary.not_started),
        ("LostLeases", summary.lost_leases),
    ];
    let times = [
        ("HandlerTime", summary.handler_time),
        ("LedgerTime", summary.ledger_time),
    ];
    let counts = counts.map(|(name, count)| (name, "Count", Number::Count(count)));
    let times = times.map(|(name, time)| (name, "Milliseconds", Number::One(time.as_secs_f64() * 1000.0)));
    // An unknown age must not count as zero.
    let age = summary
        .oldest_message_age
        .map(|age| ("OldestMessageAge", "Seconds", Number::One(age.as_secs_f64())));
    counts.into_iter().chain(times).chain(age)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use consumer::{Budget, Delivery, Failure, Handler, Incoming, MessageId, Metrics, Services, Unit, process_batch};
    use idempotency::{Completion, NoWrites};
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_123);

    fn all(summary: &Summary, own: &[Metric]) -> Vec<Value> {
        let lines = metrics_lines("place-order", NOW, summary, own);
        assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn parsed(summary: &Summary) -> Value {
        let lines = all(summary, &[]);
        assert_eq!(lines.len(), 1);
        lines[0].clone()
    }

    /// What a handler measures that does this to its metrics.
    async fn measured(handle: fn(&Metrics)) -> Vec<Metric> {
        struct Measure(fn(&Metrics));

        impl Handler for Measure {
            type Message = u8;
            type Write = NoWrites;
            const NAMESPACE: &str = "measure";

            async fn handle(&self, _: u8, delivery: &Delivery) -> Result<Completion, Failure> {
                self.0(delivery.metrics());
                Err(Failure::retry("what was measured before a failure counts"))
            }
        }

        let budget = Budget::new(NOW, NOW.plus(Duration::from_secs(9)));
        let messages = ["m-1", "m-2"].map(|id| Incoming::new(MessageId::new(id).unwrap(), "1"));
        let (handler, services) = (Arc::new(Measure(handle)), Services::in_memory());
        process_batch(&handler, &services, messages.into(), false, &budget)
            .await
            .metrics
    }

    #[tokio::test]
    async fn metrics_of_a_handler_are_in_the_same_line() {
        let own = measured(|metrics| {
            metrics.count("CardsCharged", 2);
            metrics.value("AmountCents", 1250, Unit::None);
        });
        let lines = all(&Summary::default(), &own.await);
        let [line] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        assert_eq!(
            (&line["CardsCharged"], &line["AmountCents"]),
            (&json!(4.0), &json!([1250.0, 1250.0]))
        );
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert!(metrics.contains(&json!({"Name": "CardsCharged", "Unit": "Count"})));
        assert!(metrics.contains(&json!({"Name": "AmountCents", "Unit": "None"})));
        assert!(metrics.contains(&json!({"Name": "Done", "Unit": "Count"})));
    }

    #[tokio::test]
    async fn no_line_has_more_than_100_values_of_a_metric() {
        let own = measured(|metrics| {
            metrics.count("Charged", 1);
            (0..102).for_each(|value| metrics.value("Amount", value, Unit::None));
        });
        let lines = all(&Summary::default(), &own.await);
        let lengths: Vec<_> = lines
            .iter()
            .map(|line| line["Amount"].as_array().unwrap().len())
            .collect();
        assert_eq!(lengths, [100, 100, 4]);
        let counted: Vec<_> = lines
            .iter()
            .map(|line| (line.get("Charged"), line.get("Done")))
            .collect();
        assert_eq!(
            counted,
            [(Some(&json!(2.0)), Some(&json!(0))), (None, None), (None, None)]
        );
        assert_eq!(
            lines[2]["_aws"]["CloudWatchMetrics"][0]["Metrics"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn a_handler_can_replace_no_field_of_the_line() {
        let line = parsed(&Summary {
            oldest_message_age: Some(Duration::ZERO),
            ..Summary::default()
        });
        let delivery = Delivery::new("n", Incoming::new(MessageId::new("m-1").unwrap(), "")).unwrap();
        for name in line.as_object().unwrap().keys() {
            delivery.metrics().count(Box::leak(name.clone().into_boxed_str()), 1);
            assert_eq!(delivery.metrics().recorded(name), [0.0; 0], "{name}");
        }
    }

    /// The metrics that CloudWatch extracts from the line: unit and value of each.
    ///
    /// Panics if the line violates the specification of the format.
    fn extracted(line: &Value) -> BTreeMap<String, (String, f64)> {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&line["_aws"]), ["CloudWatchMetrics", "Timestamp"]);
        let [directive] = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
            panic!("one directive is enough");
        };
        assert_eq!(keys(directive), ["Dimensions", "Metrics", "Namespace"]);
        assert!((1..=1024).contains(&directive["Namespace"].as_str().unwrap().len()));

        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30);
            for dimension in set {
                let value = line[dimension.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1024).contains(&value.len()), "{value}");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(metrics.len() <= 100);
        let metric = |metric: &Value| {
            assert_eq!(keys(metric), ["Name", "Unit"]);
            let [name, unit] = ["Name", "Unit"].map(|key| metric[key].as_str().unwrap().to_owned());
            assert!(["Count", "Milliseconds", "Seconds"].contains(&unit.as_str()), "{unit}");
            let value = line[&name].as_f64().unwrap();
            (name, (unit, value))
        };
        let extracted: BTreeMap<_, _> = metrics.iter().map(metric).collect();
        assert_eq!(extracted.len(), metrics.len(), "duplicate name");
        extracted
    }

    #[test]
    fn cloudwatch_extracts_every_number_with_its_unit() {
        let line = parsed(&Summary {
            done: 1,
            duplicate: 2,
            in_progress: 3,
            failed: 4,
            rejected: 5,
            not_started: 6,
            lost_leases: 7,
            // Not in the line: a batch logs each such message.
            ledger_errors: 0,
            handler_time: Duration::from_micros(1_234_500),
            ledger_time: Duration::from_micros(250),
            oldest_message_age: Some(Duration::from_millis(90_500)),
        });
        let expected = [
            ("Done", "Count", 1.0),
            ("Duplicate", "Count", 2.0),
            ("InProgress", "Count", 3.0),
            ("Failed", "Count", 4.0),
            ("Rejected", "Count", 5.0),
            ("NotStarted", "Count", 6.0),
            ("LostLeases", "Count", 7.0),
            ("HandlerTime", "Milliseconds", 1234.5),
            ("LedgerTime", "Milliseconds", 0.25),
            ("OldestMessageAge", "Seconds", 90.5),
        ];
        let expected = expected.map(|(name, unit, value)| (name.to_owned(), (unit.to_owned(), value)));
        assert_eq!(extracted(&line), BTreeMap::from(expected));
    }

    #[test]
    fn the_line_has_timestamp_namespace_and_function() {
        let line = parsed(&Summary::default());
        assert_eq!(line["_aws"]["Timestamp"], 1_770_000_000_123_u64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "SqsConsumer");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(line["FunctionName"], "place-order");
    }

    #[test]
    fn an_unknown_age_is_absent_and_a_zero_is_not() {
        let line = parsed(&Summary::default());
        let extracted = extracted(&line);
        assert!(line.get("OldestMessageAge").is_none() && !extracted.contains_key("OldestMessageAge"));
        assert_eq!(extracted["Rejected"].1, 0.0);
        assert_eq!(extracted["HandlerTime"].1, 0.0);
    }

    #[test]
    fn the_line_has_no_field_of_a_log_line() {
        let line = parsed(&Summary {
            oldest_message_age: Some(Duration::ZERO),
            ..Summary::default()
        });
        for field in ["timestamp", "level", "message", "requestId", "messageId"] {
            assert!(line.get(field).is_none(), "{field}");
        }
        // Some log readers compare field names without case.
        let mut names: Vec<_> = line
            .as_object()
            .unwrap()
            .keys()
            .map(|name| name.to_lowercase())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 12);
    }
}
