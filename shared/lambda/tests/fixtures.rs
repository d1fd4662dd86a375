//! Sample events that AWS documents or that others wrote, decoded without loss of what is used of them.

#[path = "../../consumer/tests/fixtures/published.rs"]
mod published;

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Map, Value, json};

/// Decodes the event, and demands of each record what the file says; the number of records.
fn survives(file: &str, sample: &Value) -> usize {
    let event: SqsEvent = serde_json::from_value(sample.clone()).unwrap();
    let records = sample["Records"].as_array().unwrap();
    assert_eq!(event.records.len(), records.len(), "{file}");
    for (decoded, record) in event.records.iter().zip(records) {
        assert_eq!(record["messageId"], json!(decoded.message_id), "{file}");
        assert_eq!(record["receiptHandle"], json!(decoded.receipt_handle), "{file}");
        assert_eq!(record["body"], json!(decoded.body), "{file}");
        assert_eq!(record["attributes"], json!(decoded.attributes), "{file}");
        assert_eq!(record["eventSourceARN"], json!(decoded.event_source_arn), "{file}");

        let said = record["messageAttributes"].as_object().unwrap();
        let decoded: Map<String, Value> = decoded
            .message_attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), json!(attribute)))
            .collect();
        assert_eq!(names(said), names(&decoded), "{file}");
        for (name, attribute) in said {
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
    let records: usize = samples.iter().map(|(file, sample)| survives(file, sample)).sum();
    assert!(records > samples.len(), "{records} records of {} events", samples.len());
}

#[test]
fn published_events_of_queues_are_decoded_without_loss() {
    let of_queues = |sample: &Value| sample["Records"][0]["eventSource"] == "aws:sqs";
    let samples: Vec<_> = published::theirs()
        .into_iter()
        .filter(|(_, sample)| of_queues(sample))
        .collect();
    assert!(!samples.is_empty());
    for (file, sample) in samples {
        survives(&file, &sample);
    }
}

#[test]
fn the_readme_names_each_sample_and_no_other() {
    let readme = include_str!("../../consumer/tests/fixtures/README.md");
    let named: BTreeSet<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split('`').next())
        .collect();
    let samples = published::ours();
    let there: BTreeSet<_> = samples.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(named, there);
}
