//! The types of the Lambda runtime decode the sample events.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::fs;
use std::path::{Path, PathBuf};

use aws_lambda_events::sqs::SqsEvent;

fn samples(function: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(function);
    let files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn every_sample_decodes_with_all_fields_of_lambda() {
    for file in ["place-order", "send-notification", "reserve-stock"]
        .into_iter()
        .flat_map(samples)
    {
        let event: SqsEvent = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert!(!event.records.is_empty(), "{file:?}");
        for record in event.records {
            let fields = [
                &record.message_id,
                &record.receipt_handle,
                &record.body,
                &record.md5_of_body,
                &record.event_source_arn,
                &record.aws_region,
            ];
            assert!(
                fields
                    .into_iter()
                    .all(|field| field.as_ref().is_some_and(|text| !text.is_empty())),
                "{file:?}"
            );
            assert_eq!(record.event_source.as_deref(), Some("aws:sqs"), "{file:?}");
            for attribute in [
                "ApproximateReceiveCount",
                "SentTimestamp",
                "SenderId",
                "ApproximateFirstReceiveTimestamp",
            ] {
                assert!(record.attributes.contains_key(attribute), "{file:?}: {attribute}");
            }
        }
    }
}
