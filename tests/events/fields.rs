//! The fields of the sample events are those that Lambda sends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aws_lambda_events::sqs::SqsEvent;
use md5::{Digest, Md5};
use uuid::Uuid;

use crate::{all_records, files, functions};

#[test]
fn every_event_decodes_as_the_type_of_the_lambda_runtime() {
    for (file, event) in files() {
        let event: SqsEvent = serde_json::from_value(event).unwrap();
        assert!(!event.records.is_empty(), "{file}");
        for record in event.records {
            let texts = [
                &record.message_id,
                &record.receipt_handle,
                &record.body,
                &record.md5_of_body,
                &record.event_source_arn,
                &record.aws_region,
            ];
            let is_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
            assert!(texts.into_iter().all(is_text), "{file}");
            assert_eq!(record.event_source.as_deref(), Some("aws:sqs"), "{file}");
            for attribute in [
                "ApproximateReceiveCount",
                "SentTimestamp",
                "SenderId",
                "ApproximateFirstReceiveTimestamp",
            ] {
                assert!(record.attributes.contains_key(attribute), "{file}: {attribute}");
            }
        }
    }
}

#[test]
fn every_record_has_the_fields_that_lambda_sends() {
    let files = files();
    for (file, record) in all_records(&files) {
        for field in [
            "messageId",
            "receiptHandle",
            "body",
            "md5OfBody",
            "eventSource",
            "eventSourceARN",
            "awsRegion",
        ] {
            assert!(
                record[field].as_str().is_some_and(|text| !text.is_empty()),
                "{file}: {field}"
            );
        }
        assert_eq!(record["eventSource"], "aws:sqs", "{file}");
        assert!(record["messageAttributes"].is_object(), "{file}");
        assert!(record["attributes"]["SenderId"].is_string(), "{file}");
    }
}

#[test]
fn counts_and_times_are_numbers_in_strings() {
    let files = files();
    for (file, record) in all_records(&files) {
        let number = |name: &str| {
            record["attributes"][name]
                .as_str()
                .unwrap_or_default()
                .parse::<u64>()
                .ok()
        };
        assert!(number("ApproximateReceiveCount") >= Some(1), "{file}");
        assert!(
            number("SentTimestamp") > Some(1_600_000_000_000),
            "{file}: milliseconds"
        );
        assert!(
            number("ApproximateFirstReceiveTimestamp") >= number("SentTimestamp"),
            "{file}"
        );
    }
}

#[test]
fn every_md5_matches_its_body() {
    let files = files();
    for (file, record) in all_records(&files) {
        let digest = Md5::digest(record["body"].as_str().unwrap());
        let hex = digest.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        assert_eq!(record["md5OfBody"], hex, "{file}");
    }
}

#[test]
fn message_ids_are_uuids_that_no_two_files_share() {
    let files = files();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (file, record) in all_records(&files) {
        let id = record["messageId"].as_str().unwrap();
        assert!(Uuid::try_parse(id).is_ok(), "{file}: {id}");
        let first = *seen.entry(id).or_insert(file);
        assert_eq!(first, file, "{id} is in both");
    }
}

#[test]
fn every_record_has_its_own_receipt_handle() {
    let files = files();
    let handles: BTreeSet<_> = all_records(&files)
        .map(|(_, record)| record["receiptHandle"].as_str())
        .collect();
    assert_eq!(handles.len(), all_records(&files).count());
}

#[test]
fn every_event_is_from_the_queue_of_its_function() {
    let (files, functions) = (files(), functions());
    for (file, record) in all_records(&files) {
        let queue = functions[file.split('/').next().unwrap()].trim_end_matches(".fifo");
        let arn = record["eventSourceARN"].as_str().unwrap();
        let name = arn.strip_prefix("arn:aws:sqs:us-east-1:000000000000:").unwrap();
        assert_eq!(name.strip_suffix(".fifo").unwrap_or(name), queue, "{file}");
        assert_eq!(record["awsRegion"], "us-east-1", "{file}");
    }
}

#[test]
fn only_fifo_messages_have_a_sequence_number() {
    let files = files();
    for (file, record) in all_records(&files) {
        let fifo = record["eventSourceARN"].as_str().unwrap().ends_with(".fifo");
        for attribute in ["SequenceNumber", "MessageGroupId", "MessageDeduplicationId"] {
            assert_eq!(record["attributes"][attribute].is_string(), fifo, "{file}: {attribute}");
        }
    }
}
