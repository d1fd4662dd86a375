//! Events of SQS, and what else may be in one.

use idempotency::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::odd::Content;

fn read(event: &str) -> Result<Records, String> {
    // As the Lambda runtime does.
    let mut deserializer = serde_json::Deserializer::from_slice(event.as_bytes());
    let event: Result<Event, _> = serde_path_to_error::deserialize(&mut deserializer);
    event.unwrap().0
}

/// A record as SQS sends it, with these fields set, or removed where they are `"(none)"`.
fn record(id: &str, fields: Value) -> Value {
    let mut record = json!({
        "messageId": id,
        "receiptHandle": format!("handle of {id}"),
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
        "messageAttributes": {},
        "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
        "awsRegion": "eu-west-1",
    });
    for (name, value) in fields.as_object().unwrap() {
        match value == "(none)" {
            true => drop(record.as_object_mut().unwrap().remove(name)),
            false => record[name] = value.clone(),
        }
    }
    record
}

/// The odd record between two good ones, which are read as if they were alone.
fn odd(middle: &Value) -> Odd {
    odd_text(&middle.to_string())
}

fn odd_text(middle: &str) -> Odd {
    let [first, last] = ["m-1", "m-3"].map(|id| record(id, json!({})).to_string());
    let records = read(&format!(r#"{{"Records": [{first}, {middle}, {last}]}}"#)).unwrap();
    let alone = |record: &str| {
        read(&format!(r#"{{"Records": [{record}]}}"#))
            .unwrap()
            .records
            .pop()
            .unwrap()
    };
    let [one, odd, other] = <[_; 3]>::try_from(records.records).unwrap();
    assert_eq!((one, other), (alone(&first), alone(&last)), "{middle}");
    *odd.unwrap_err()
}

#[test]
fn the_error_for_another_event_does_not_quote_it() {
    let line = |what| format!("not an SQS event: {what}; is the function invoked by something other than its queue?");
    assert_eq!(
        read(r#"{"detail": "secret"}"#).unwrap_err(),
        line("missing field `Records`")
    );
    for event in [
        r#""secret""#,
        "[]",
        "null",
        "{",
        r#"{"Records": "secret"}"#,
        r#"{"Records": null}"#,
        r#"{"Records": {"secret": 1}}"#,
    ] {
        assert_eq!(read(event).unwrap_err(), line("unexpected shape"), "{event}");
    }
}

#[test]
fn an_event_of_another_service_is_refused() {
    for event in [
        r#"{"Records": [{}]}"#,
        r#"{"Records": [{"body": "secret"}, {"messageId": ""}]}"#,
        r#"{"Records": [{"messageId": 4111111111111111}, "secret", null]}"#,
        r#"{"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "secret"}}}]}"#,
        r#"{"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "secret"}}]}"#,
    ] {
        let error = read(event).unwrap_err();
        assert!(error.starts_with("record 0 of the event: "), "{error}");
        assert!(error.ends_with("; is the event from an SQS queue?"), "{error}");
        assert!(!error.contains("secret") && !error.contains("4111"), "{error}");
    }
}

#[test]
fn an_event_without_records_is_empty() {
    let records = read(r#"{"Records": []}"#).unwrap();
    assert!(records.records.is_empty() && !records.ordered());
}

#[test]
fn every_attribute_of_a_record_reaches_its_message() {
    let event = r#"{"Records": [{
        "messageId": "m-1", "receiptHandle": "r-1", "body": "{}",
        "attributes": {
            "ApproximateReceiveCount": "3", "SentTimestamp": "1700000000000", "MessageGroupId": "g",
            "MessageDeduplicationId": "d", "AWSTraceHeader": "Root=1", "SenderId": "AIDA"
        },
        "messageAttributes": {
            "tenant": {"dataType": "String", "stringValue": "blue"},
            "photo": {"dataType": "Binary", "binaryValue": "AP8="}
        },
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
    }]}"#;
    let records = read(event).unwrap();
    let text = Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some("blue".to_owned()),
        binary_value: None,
    };
    let bytes = Attribute {
        data_type: Some("Binary".to_owned()),
        string_value: None,
        binary_value: Some(vec![0, 255]),
    };
    let message = Incoming {
        attributes: [("tenant".to_owned(), text), ("photo".to_owned(), bytes)].into(),
        group: Some("g".to_owned()),
        deduplication_id: Some("d".to_owned()),
        queue: Some("arn:aws:sqs:eu-west-1:123456789012:orders.fifo".to_owned()),
        receive_count: 3,
        sent_at: Some(Timestamp::from_millis(1_700_000_000_000)),
        trace_header: Some("Root=1".to_owned()),
        ..Incoming::new(MessageId::new("m-1").unwrap(), "{}")
    };
    assert!(records.ordered());
    let receipt_handle = "r-1".to_owned();
    assert_eq!(
        records.records,
        [Ok(Record {
            message,
            receipt_handle
        })]
    );
}

/// Where strings are borrowed from the event, an escape keeps them from it.
#[test]
fn escapes_in_an_event_change_nothing() {
    let plain = record(
        "m-1",
        json!({"attributes": {"MessageGroupId": "g", "SequenceNumber": "1"}}),
    )
    .to_string();
    let expected = read(&format!(r#"{{"Records": [{plain}]}}"#)).unwrap();
    for (text, escaped) in [
        ("aws:sqs", r"aws:\u0073qs"),
        ("MessageGroupId", r"Message\u0047roupId"),
        (r#""g""#, r#""\u0067""#),
        (r#""m-1""#, r#""m\u002d1""#),
        ("SequenceNumber", r"Sequence\u004eumber"),
    ] {
        let record = plain.replace(text, escaped);
        assert_ne!(record, plain);
        assert_eq!(
            read(&format!(r#"{{"Records": [{record}]}}"#)).unwrap(),
            expected,
            "{escaped}"
        );
    }
}

#[test]
fn fields_that_sqs_may_leave_out_or_null_are_optional() {
    let least = r#"{"messageId": "m-1", "receiptHandle": "r-1", "body": ""}"#;
    let nulls = r#"{"messageId": "m-1", "receiptHandle": "r-1", "body": "", "attributes": null, "messageAttributes": null,
        "md5OfBody": null, "md5OfMessageAttributes": null, "eventSource": null, "eventSourceARN": null, "awsRegion": null,
        "later": {"unknown": [1]}}"#;
    for record in [least, nulls] {
        let records = read(&format!(r#"{{"Records": [{record}]}}"#)).unwrap();
        let message = Incoming::new(MessageId::new("m-1").unwrap(), "");
        let receipt_handle = "r-1".to_owned();
        assert_eq!(
            records.records,
            [Ok(Record {
                message,
                receipt_handle
            })]
        );
        assert!(!records.ordered());
    }
}

#[test]
fn an_odd_field_is_named_with_its_type_and_not_quoted() {
    let string_lists = json!({"source": {"dataType": "String", "stringValue": "secret", "stringListValues": null}});
    let binary_lists = json!({"source": {"dataType": "String", "stringValue": "secret", "binaryListValues": [4111]}});
    for (fields, why) in [
        (json!({"body": 4111}), "body is a number, not a string"),
        (json!({"body": {"secret": 4111}}), "body is an object, not a string"),
        (json!({"body": null}), "body is missing or null"),
        (json!({"body": "(none)"}), "body is missing or null"),
        (
            json!({"receiptHandle": 4111}),
            "receiptHandle is a number, not a string",
        ),
        (json!({"receiptHandle": null}), "receiptHandle is missing or null"),
        (json!({"receiptHandle": "(none)"}), "receiptHandle is missing or null"),
        (json!({"receiptHandle": ""}), "receiptHandle is empty"),
        (
            json!({"attributes": {"ApproximateReceiveCount": 1, "SentTimestamp": 1_795_800_000_000_u64}}),
            "attributes.ApproximateReceiveCount is a number, not a string, \
             attributes.SentTimestamp is a number, not a string",
        ),
        (
            json!({"attributes": {"SenderId": null}}),
            "attributes.SenderId is null, not a string",
        ),
        (json!({"attributes": ["secret"]}), "attributes is a list, not an object"),
        (json!({"attributes": "secret"}), "attributes is a string, not an object"),
        (
            json!({"messageAttributes": ["secret"]}),
            "messageAttributes is a list, not an object",
        ),
        (
            json!({"messageAttributes": {"source": "secret"}}),
            "messageAttributes.source is a string, not an object",
        ),
        (
            json!({"messageAttributes": {"source": null}}),
            "messageAttributes.source is null, not an object",
        ),
        (
            json!({"messageAttributes": {"source": {"dataType": "String", "stringValue": 4111}}}),
            "messageAttributes.source.stringValue is a number, not a string",
        ),
        (
            json!({"messageAttributes": {"source": {"dataType": "Binary", "binaryValue": "secret!"}}}),
            "messageAttributes.source.binaryValue is not Base64",
        ),
        (
            json!({"messageAttributes": string_lists}),
            "messageAttributes.source.stringListValues is null, not a list",
        ),
        (
            json!({"messageAttributes": binary_lists}),
            "messageAttributes.source.binaryListValues has values of other types",
        ),
        (
            json!({"messageAttributes": {"a": {"binaryListValues": 4111}}}),
            "messageAttributes.a.binaryListValues is a number, not a list",
        ),
        (json!({"md5OfBody": 4111}), "md5OfBody is a number, not a string"),
        (
            json!({"eventSourceARN": true}),
            "eventSourceARN is a boolean, not a string",
        ),
    ] {
        let odd = odd(&record("m-2", fields));
        assert_eq!((odd.id.as_deref(), odd.why.as_str()), (Some("m-2"), why));
    }
}

#[test]
fn a_record_without_a_usable_id_is_not_lost() {
    for (id, why) in [
        (json!("(none)"), "messageId is missing or null"),
        (Value::Null, "messageId is missing or null"),
        (json!(""), "messageId is empty"),
        (json!(4111), "messageId is a number, not a string"),
        (json!(["m-2"]), "messageId is a list, not a string"),
    ] {
        let attributes = json!({"tenant": {"dataType": "String", "stringValue": "blue"}});
        let fields = json!({"messageId": id, "body": "the body", "messageAttributes": attributes});
        let odd = odd(&record("m-2", fields));
        assert_eq!((odd.id, odd.why.as_str()), (None, why));
        let Content::Message(message) = odd.content else {
            panic!("{id}")
        };
        assert_eq!(message.body.as_deref(), Some("the body"));
        assert_eq!(
            message.message_attributes["tenant"].string_value.as_deref(),
            Some("blue")
        );
    }
    let both = record("", json!({"messageId": 4111, "attributes": {"SenderId": 1}}));
    let Content::Json(json) = odd(&both).content else {
        panic!()
    };
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), both);
}

#[test]
fn a_record_that_is_no_object_is_kept_as_it_is() {
    for (text, kind) in [
        ("null", "null"),
        (r#""secret""#, "a string"),
        ("[]", "a list"),
        (r#"["m-2", "handle", "secret"]"#, "a list"),
        ("4111", "a number"),
        ("true", "a boolean"),
    ] {
        let odd = odd_text(text);
        assert_eq!(
            (odd.id, odd.why),
            (None, format!("the record is {kind}, not an object"))
        );
        assert_eq!(odd.content, Content::Json(text.to_owned()));
    }
}

#[test]
fn half_of_a_surrogate_pair_affects_its_record_only() {
    let surrogate = record("m-2", json!({"body": "BODY"}))
        .to_string()
        .replace("BODY", "\\ud83d");
    let odd = odd_text(&surrogate);
    assert_eq!(
        (odd.id.as_deref(), &*odd.why),
        (Some("m-2"), "body has half of a surrogate pair")
    );
}

/// A record with the text `FIELDS` in place of some fields.
fn with_fields(fields: &str) -> String {
    record("m-2", json!({"FIELDS": 0}))
        .to_string()
        .replace(r#""FIELDS":0"#, fields)
}

#[test]
fn half_of_a_surrogate_pair_in_a_name_is_found() {
    let (own, attributes) = (r#""\udc00": 1"#, r#""x": 1, "attributes": {"Sender\ud800Id": "A"}"#);
    let message = r#""messageAttributes": {"source": {"dataType": "String", "\ud800": "A"}}"#;
    for (fields, owner) in [
        (own.to_owned(), "the record"),
        (attributes.to_owned(), "attributes"),
        (message.to_owned(), "messageAttributes.source"),
        (message.replace("source", "\\ud800"), "messageAttributes"),
    ] {
        let name = fields.split('"').nth(1).unwrap();
        let mut record = record("m-2", json!({"FIELDS": 0}));
        record
            .as_object_mut()
            .unwrap()
            .remove(if name == "x" { "attributes" } else { name });
        let odd = odd_text(&record.to_string().replace(r#""FIELDS":0"#, &fields));
        let why = format!("{owner} has a name with half of a surrogate pair");
        assert_eq!((odd.id.as_deref(), odd.why), (Some("m-2"), why), "{fields}");
    }
}

#[test]
fn a_field_that_is_stated_twice_is_named() {
    let attribute = r#"{"dataType": "String", "dataType": "String"}"#;
    for (fields, name) in [
        (r#""body": "secret""#, "body"),
        (r#""b\u006fdy": "secret""#, "body"),
        (r#""attributes": {}"#, "attributes"),
        (r#""receiptHandle": "handle of m-2""#, "receiptHandle"),
    ] {
        let odd = odd_text(&with_fields(fields));
        let why = format!("a field is stated twice: {name}");
        assert_eq!((odd.id.as_deref(), odd.why), (Some("m-2"), why), "{fields}");
    }
    let text = record("m-2", json!({"messageAttributes": {"source": 0}})).to_string();
    let odd = odd_text(&text.replace(r#""source":0"#, &format!(r#""source":{attribute}"#)));
    assert_eq!(odd.why, "a field is stated twice: messageAttributes.source.dataType");
}

/// Lambda may know either of them; the batch fails if the response lists the other.
#[test]
fn a_record_with_two_message_ids_has_no_usable_one() {
    for other in [r#""other""#, r#""m-2""#, "1", "null"] {
        let odd = odd_text(&with_fields(&format!(r#""messageId": {other}"#)));
        assert_eq!(
            (odd.id, &*odd.why),
            (None, "a field is stated twice: messageId"),
            "{other}"
        );
        assert!(matches!(odd.content, Content::Message(message) if message.body.as_deref() == Some("{}")));
    }
}

/// Its order can't be kept without it.
#[test]
fn two_groups_of_a_record_are_none() {
    let text = record("m-2", json!({"attributes": {"MessageGroupId": 0}, "body": 1})).to_string();
    let odd = odd_text(&text.replace(r#""MessageGroupId":0"#, r#""MessageGroupId":"a","MessageGroupId":"b""#));
    assert_eq!(odd.group, None);
    assert_eq!(
        odd.why,
        "body is a number, not a string, a field is stated twice: attributes.MessageGroupId"
    );
}

#[test]
fn an_odd_name_in_the_event_affects_no_record() {
    let record = record("m-1", json!({}));
    let event = format!(r#"{{"\ud800": 1, "Records": [{record}]}}"#);
    assert!(read(&event).unwrap().records[0].is_ok());
    let twice = format!(r#"{{"Records": [{record}], "Records": []}}"#);
    assert!(
        read(&twice)
            .unwrap_err()
            .starts_with("not an SQS event: unexpected shape")
    );
}

#[test]
fn an_odd_record_states_group_and_queue_if_they_can_be_read() {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo";
    let fields = |group: Value| json!({"body": 1, "eventSourceARN": arn, "attributes": {"MessageGroupId": group}});
    let readable = odd(&record("m-2", fields(json!("g"))));
    assert_eq!(
        (readable.group.as_deref(), readable.queue.as_deref()),
        (Some("g"), Some(arn))
    );
    assert_eq!(odd(&record("m-2", fields(json!(7)))).group, None);
    let event = json!({"Records": [record("m-1", fields(json!("g")))]}).to_string();
    let records = read(&event).unwrap();
    assert_eq!((records.queue_arn.as_str(), records.ordered()), (arn, true));
}

#[test]
fn an_odd_record_does_not_name_the_queue_of_its_neighbours() {
    let odd = json!({"body": 1, "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:other"});
    let good = json!({"eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"});
    let event = json!({"Records": [record("m-1", odd), record("m-2", good)]});
    let records = read(&event.to_string()).unwrap();
    assert!(records.queue_arn.ends_with(":orders.fifo"), "{}", records.queue_arn);
    assert!(records.ordered());
}

#[test]
fn without_an_arn_a_sequence_number_shows_a_fifo_queue() {
    let record = |attributes: Value| record("m-1", json!({"eventSourceARN": "(none)", "attributes": attributes}));
    let ordered = |record: Value| read(&json!({"Records": [record]}).to_string()).unwrap().ordered();
    assert!(ordered(record(json!({"MessageGroupId": "g", "SequenceNumber": "1"}))));
    assert!(!ordered(record(json!({"MessageGroupId": "g"}))));
}
