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

use consumer::Summary;
use idempotency::Timestamp;
use serde_json::{Map, Value, json};

/// The CloudWatch namespace of the metrics.
const NAMESPACE: &str = "SqsConsumer";

/// The only dimension of the metrics.
const FUNCTION_NAME: &str = "FunctionName";

/// The line to print after a batch of the function.
///
/// Times are in milliseconds, the age in seconds.
pub fn metrics_line(function: &str, now: Timestamp, summary: &Summary) -> String {
    let (mut line, mut metrics) = (Map::new(), Vec::new());
    for (name, unit, value) in values(summary) {
        line.insert(name.to_owned(), value);
        metrics.push(json!({"Name": name, "Unit": unit}));
    }
    line.insert(FUNCTION_NAME.to_owned(), function.into());
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[FUNCTION_NAME]], "Metrics": metrics});
    line.insert(
        "_aws".to_owned(),
        json!({"Timestamp": now.millis(), "CloudWatchMetrics": [directive]}),
    );
    Value::Object(line).to_string()
}

/// Each metric's name, unit and value. Zeros are included: an alarm returns to OK only with data.
fn values(summary: &Summary) -> impl Iterator<Item = (&'static str, &'static str, Value)> {
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
    let counts = counts.map(|(name, count)| (name, "Count", count.into()));
    let times = times.map(|(name, time)| (name, "Milliseconds", (time.as_secs_f64() * 1000.0).into()));
    // An unknown age must not count as zero.
    let age = summary
        .oldest_message_age
        .map(|age| ("OldestMessageAge", "Seconds", age.as_secs_f64().into()));
    counts.into_iter().chain(times).chain(age)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_123);

    fn parsed(summary: &Summary) -> Value {
        let line = metrics_line("place-order", NOW, summary);
        assert!(!line.contains('\n'), "{line}");
        serde_json::from_str(&line).unwrap()
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
