//! Events that AWS documents and that others published, decoded without loss.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

#[path = "../../consumer/tests/fixtures/published.rs"]
mod published;

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Map, Value, json};

/// Decodes the event, asserts that each record has the values of the file, and returns the number of records.
fn decoded_records(file: &str, sample: &Value) -> usize {
    let event: SqsEvent = serde_json::from_value(sample.clone()).unwrap();
    let records = sample["Records"].as_array().unwrap();
    assert_eq!(event.records.len(), records.len(), "{file}");
    for (decoded, record) in event.records.iter().zip(records) {
        assert_eq!(record["messageId"], json!(decoded.message_id), "{file}");
        assert_eq!(record["receiptHandle"], json!(decoded.receipt_handle), "{file}");
        assert_eq!(record["body"], json!(decoded.body), "{file}");
        assert_eq!(record["attributes"], json!(decoded.attributes), "{file}");
        assert_eq!(record["eventSourceARN"], json!(decoded.event_source_arn), "{file}");

        let expected = record["messageAttributes"].as_object().unwrap();
        let decoded: Map<String, Value> = decoded
            .message_attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), json!(attribute)))
            .collect();
        assert_eq!(names(expected), names(&decoded), "{file}");
        for (name, attribute) in expected {
            for field in ["dataType", "stringValue", "binaryValue"] {
                let absent_is_null = attribute.get(field).unwrap_or(&Value::Null);
                assert_eq!(absent_is_null, &decoded[name][field], "{file}: {field} of {name}");
            }
        }
    }
    records.len()
}

fn names(attributes: &Map<String, Value>) -> BTreeSet<&String> {
    attributes.keys().collect()
}

#[test]
fn documented_events_are_decoded_without_loss() {
    let samples = published::ours();
    let records: usize = samples.iter().map(|(file, sample)| decoded_records(file, sample)).sum();
    assert!(records > samples.len(), "{records} records of {} events", samples.len());
}

#[test]
fn published_sqs_events_are_decoded_without_loss() {
    let of_queues = |sample: &Value| sample["Records"][0]["eventSource"] == "aws:sqs";
    let samples: Vec<_> = published::theirs()
        .into_iter()
        .filter(|(_, sample)| of_queues(sample))
        .collect();
    assert!(!samples.is_empty());
    for (file, sample) in samples {
        decoded_records(&file, &sample);
    }
}

#[test]
fn the_readme_lists_exactly_the_samples() {
    let readme = include_str!("../../consumer/tests/fixtures/README.md");
    let named: BTreeSet<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split('`').next())
        .collect();
    let samples = published::ours();
    let there: BTreeSet<_> = samples.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(named, there);
}
