//! What a function's answer means for the messages of its batch.

use std::collections::BTreeSet;

use serde_json::Value;

/// Which messages of a batch failed.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// None: all are deleted.
    Success,
    /// These, and only these.
    Partial(BTreeSet<String>),
    /// All, for this reason.
    Failure(String),
}

/// Reads the response to a batch of messages with these IDs; `report`: whether the mapping has `ReportBatchItemFailures`.
///
/// The cases are those of
/// [Success and failure conditions](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting).
/// Not documented, and decided here: an empty string or an empty array is an empty answer, as Lambda has been seen to take it;
/// any other answer that is no object is a failure, which loses nothing.
pub(super) fn verdict(answer: &[u8], ids: &[&str], report: bool) -> Verdict {
    if !report {
        return Verdict::Success;
    }
    match failures(answer, ids) {
        Ok(failed) if failed.is_empty() => Verdict::Success,
        Ok(failed) => Verdict::Partial(failed),
        Err(reason) => Verdict::Failure(reason),
    }
}

fn failures(answer: &[u8], ids: &[&str]) -> Result<BTreeSet<String>, String> {
    let answer = serde_json::from_slice(answer).map_err(|error| format!("the answer is not JSON: {error}"))?;
    let list = match &answer {
        Value::Object(answer) => answer.get("batchItemFailures").unwrap_or(&Value::Null),
        Value::Null => &Value::Null,
        Value::String(text) if text.is_empty() => &Value::Null,
        Value::Array(items) if items.is_empty() => &Value::Null,
        _ => return Err("the answer is not an object".to_owned()),
    };
    match list {
        Value::Null => Ok(BTreeSet::new()),
        Value::Array(items) => items.iter().map(|item| identifier(item, ids)).collect(),
        _ => Err("batchItemFailures is not a list".to_owned()),
    }
}

fn identifier(item: &Value, ids: &[&str]) -> Result<String, String> {
    match item.get("itemIdentifier") {
        Some(Value::String(id)) if id.is_empty() => Err("an itemIdentifier is empty".to_owned()),
        Some(Value::String(id)) if !ids.contains(&id.as_str()) => {
            Err(format!("itemIdentifier {id} is no message of the batch"))
        }
        Some(Value::String(id)) => Ok(id.clone()),
        Some(Value::Null) => Err("an itemIdentifier is null".to_owned()),
        Some(_) => Err("an itemIdentifier is not a string".to_owned()),
        None => Err(format!("an item of batchItemFailures has no itemIdentifier: {item}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(answer: &str) -> Verdict {
        verdict(answer.as_bytes(), &["a", "b", "c"], true)
    }

    fn partial(ids: &[&str]) -> Verdict {
        Verdict::Partial(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[track_caller]
    fn fails_whole(answer: &str, reason: &str) {
        match reported(answer) {
            Verdict::Failure(text) => assert!(text.contains(reason), "{text}"),
            other => panic!("{answer} gave {other:?}"),
        }
    }

    #[test]
    fn an_empty_answer_is_success() {
        for answer in ["{}", "null", r#""""#, "[]"] {
            assert_eq!(reported(answer), Verdict::Success, "{answer}");
        }
    }

    #[test]
    fn an_empty_null_or_missing_list_is_success() {
        for answer in [
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"done":3}"#,
        ] {
            assert_eq!(reported(answer), Verdict::Success, "{answer}");
        }
    }

    #[test]
    fn listed_messages_fail_alone() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}"#;
        assert_eq!(reported(answer), partial(&["a", "c"]));
    }

    #[test]
    fn a_message_listed_twice_fails_once() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(reported(answer), partial(&["b"]));
    }

    #[test]
    fn an_item_may_say_more_than_its_identifier() {
        assert_eq!(
            reported(r#"{"batchItemFailures":[{"itemIdentifier":"b","why":"?"}]}"#),
            partial(&["b"])
        );
    }

    #[test]
    fn invalid_json_fails_the_batch() {
        fails_whole("{\"batchItemFailures\":[", "not JSON");
        fails_whole("", "not JSON");
    }

    #[test]
    fn an_answer_that_is_no_object_fails_the_batch() {
        for answer in [r#""done""#, "3", "true", "[1]"] {
            fails_whole(answer, "not an object");
        }
    }

    #[test]
    fn an_empty_identifier_fails_the_batch() {
        fails_whole(
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":""}]}"#,
            "is empty",
        );
    }

    #[test]
    fn a_null_identifier_fails_the_batch() {
        fails_whole(r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, "is null");
    }

    #[test]
    fn an_identifier_that_is_no_string_fails_the_batch() {
        fails_whole(r#"{"batchItemFailures":[{"itemIdentifier":123}]}"#, "not a string");
    }

    #[test]
    fn a_wrong_key_name_fails_the_batch() {
        fails_whole(r#"{"batchItemFailures":[{"ItemIdentifier":"a"}]}"#, "no itemIdentifier");
        fails_whole(r#"{"batchItemFailures":["a"]}"#, "no itemIdentifier");
    }

    #[test]
    fn the_id_of_no_message_in_the_batch_fails_the_batch() {
        fails_whole(r#"{"batchItemFailures":[{"itemIdentifier":"d"}]}"#, "d is no message");
    }

    #[test]
    fn a_list_that_is_none_fails_the_batch() {
        fails_whole(r#"{"batchItemFailures":{"itemIdentifier":"a"}}"#, "not a list");
        fails_whole(r#"{"batchItemFailures":""}"#, "not a list");
    }

    #[test]
    fn without_reporting_any_answer_is_success() {
        for answer in [r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, "no JSON", ""] {
            assert_eq!(verdict(answer.as_bytes(), &["a"], false), Verdict::Success, "{answer}");
        }
    }
}
