//! Bodies that are decoded, and what is said of others.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::published;

mod refused;

#[derive(Debug, serde::Deserialize)]
struct Card {
    #[expect(dead_code, reason = "only its absence matters")]
    number: u64,
    #[serde(default)]
    #[expect(dead_code, reason = "only its encoding matters")]
    holder: String,
}

fn decoded<M: Body>(body: &str) -> Result<M, String> {
    decode(body, Envelope::None)
}

fn reason(body: &str) -> String {
    let why = decoded::<Card>(body).unwrap_err();
    why.strip_prefix("malformed body: ").unwrap().to_owned()
}

#[test]
fn the_reason_has_line_column_and_the_name_of_a_field() {
    for (body, why) in [
        ("{}", "missing field `number` (line 1, column 2)"),
        (
            r#"{"number": 1, "number": 2}"#,
            "duplicate field `number` (line 1, column 22)",
        ),
        ("{\n\"num", "unexpected end of JSON: is it cut off? (line 2, column 4)"),
        ("{\"number\": 1,}", "not JSON: trailing comma (line 1, column 14)"),
        ("{number: 1}", "not JSON: key must be a string (line 1, column 2)"),
        (r#"{"number": 1e400}"#, "number out of range (line 1, column 16)"),
        (
            r#"{"number": NaN}"#,
            "not JSON: NaN or Infinity, which JSON does not have: send null or a text (line 1, column 12)",
        ),
        (
            r#"{"number": -Infinity}"#,
            "not JSON: NaN or Infinity, which JSON does not have: send null or a text (line 1, column 13)",
        ),
        (
            r#"{"number": None}"#,
            "not JSON: Python's None, True or False, where JSON has null, true and false (line 1, column 12)",
        ),
        (
            r#"{"number": undefined}"#,
            "not JSON: JavaScript's undefined, which JSON does not have (line 1, column 12)",
        ),
        (
            "{\"number\": 1, // the card\n\"holder\": \"a\"}",
            "not JSON: a comment, which JSON does not have (line 1, column 15)",
        ),
        (
            "{\"number\": 1,\n\"holder\": 'a'}",
            "not JSON: single quotation marks, where JSON has double ones (line 2, column 11)",
        ),
        (
            r#"{"number": 1, "more": [1,]}"#,
            "not JSON: trailing comma (line 1, column 26)",
        ),
    ] {
        assert_eq!(reason(body), why);
    }
}

#[test]
fn the_reason_quotes_nothing_of_the_body() {
    for body in [
        r#"{"number": "4111111111111111"}"#,
        r#"{"number": -4111111111111111}"#,
        r#""4111111111111111""#,
        r#"["4111111111111111", "4111"]"#,
    ] {
        let why = reason(body);
        assert!(why.contains("expected ") && !why.contains("4111"), "{why}");
    }
    for body in [
        "4111 1111",
        "secret 4111",
        "secret=4111",
        "{'secret': 4111}",
        "<secret>4111</secret>",
        "c2VjcmV0IDQxMTE=",
    ] {
        let why = reason(body);
        assert!(!why.contains("4111") && !why.contains("secret"), "{why}");
    }
}

#[test]
fn a_text_that_is_not_json_is_recognised() {
    for (body, found) in [
        ("", "empty body"),
        (" \n", "blank body"),
        (
            "\u{feff}{\"number\": 1}",
            "starts with a UTF-8 byte order mark: send it without",
        ),
        (
            "\u{ef}\u{bb}\u{bf}{\"number\": 1}",
            "starts with a UTF-8 byte order mark: send it without",
        ),
        ("\u{ff}\u{fe}{\u{0}\"\u{0}", "looks like UTF-16"),
        ("{\u{0}\"\u{0}n\u{0}", "looks like UTF-16"),
        ("\u{fffd}\u{fffd}{", "looks like UTF-16"),
        ("\u{0}{\u{0}\"", "looks like UTF-16"),
        ("\u{1f}\u{fffd}\u{8}\u{0}\u{0}", "looks like gzip"),
        ("\u{1f}\u{8b}\u{8}\u{0}\u{0}", "looks like gzip"),
        ("{\"number\": 1}\u{0}", "more text after the JSON"),
        ("\n\u{5}hello\u{12}\u{0}", "binary data"),
        ("caf\u{fffd}", "binary data"),
        ("\u{a0} \u{200b}", "blank body"),
        (
            " \u{200b}{\"number\": 1}",
            "starts with the invisible character U+200B: remove it",
        ),
        ("\u{a0}[1]", "starts with the invisible character U+00A0: remove it"),
        (
            "\u{1e}{\"number\": 1}\n",
            "starts with the invisible character U+001E: remove it",
        ),
        ("\u{200b}hello", "plain text, not JSON"),
        ("eyJudW1iZXIiOiAxfQ==", "looks like Base64 of JSON"),
        ("eyJudW1iZXIiOiAxfQ", "looks like Base64 of JSON"),
        ("eyJudW1i\nZXIiOiAx\nfQ==\n", "looks like Base64 of JSON"),
        (
            "H4sIAAAAAAACA6tWykxRslJQSstMzUnRNVTSUVBKLElVslIyNDCoBQBfYYyQHAAAAA==",
            "looks like Base64 of gzip",
        ),
        ("eJyrVsorzU1KLVKyUjCs5QIAHRgD4w==", "looks like Base64 of zlib data"),
        ("KLUv/SAKUQAAeyJuIjogMX0K", "looks like Base64 of Zstandard data"),
        ("CgVoZWxsbxIFd29ybGQ4eQ==", "looks like Base64: decode it"),
        ("//57ACIAbgB1AG0AYgBlAHIAIgA6ADEAfQA=", "looks like Base64: decode it"),
        ("cGFzc3dvcmQ=", "looks like Base64: decode it"),
        ("ZXlKdWRXMWlaWElpT2lBeGZRPT0=", "looks like Base64: decode it"),
        // Of a number, and of braces around something else than JSON.
        ("NDExMQ==", "looks like Base64: decode it"),
        ("e2hlbGxvfQ==", "looks like Base64: decode it"),
        ("Abc1Def2Ghi3Jkl4", "looks like Base64: decode it"),
        // Too short without padding, without a digit, or at all.
        ("Abc1Def2", "plain text, not JSON"),
        ("AbcdEfghIjklMnop", "plain text, not JSON"),
        ("AbcdEfgh", "plain text, not JSON"),
        ("Ab==", "plain text, not JSON"),
        (
            "data:application/json;base64,eyJudW1iZXIiOiAxfQ==",
            "looks like a data: URL",
        ),
        ("[object Object]", "JavaScript's text of an object"),
        ("PMRG45LNMJSXEIR2EAYX2===", "plain text, not JSON"),
        ("7b226e756d626572223a20317d", "plain text, not JSON"),
        ("3f2b1c7a-0000-4000-8000-000000000905", "plain text, not JSON"),
        ("2026-01-01", "plain text, not JSON"),
        ("-", "plain text, not JSON"),
        ("1,2,3", "plain text, not JSON"),
        ("1 2", "plain text, not JSON"),
        ("1e400", "number out of range"),
        ("data: {}", "plain text, not JSON"),
        ("Hello from SQS!", "plain text, not JSON"),
        ("hello", "plain text, not JSON"),
        ("internationalisation", "plain text, not JSON"),
        ("ABCD1234EFGH5678", "plain text, not JSON"),
        ("f1e1d000-0000-4000-8000-000000000905", "plain text, not JSON"),
        ("id: 5\namount: 7\n", "looks like YAML"),
        ("---\n- id: 5\n", "looks like YAML"),
        ("items:\n  - id: 5\n", "looks like YAML"),
        ("Note: 5\nand more", "plain text, not JSON"),
        ("id,amount\n5,7\n", "looks like CSV"),
        ("id;amount\n5;7", "looks like CSV"),
        ("Tea, please\nMilk, too", "plain text, not JSON"),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJudW1iZXIiOiAxfQ.c2VjcmV0LXNpZ25hdHVyZQ",
            "looks like a JWT (token): send the message itself",
        ),
        ("abcd.efgh.ijkl", "plain text, not JSON"),
        ("a b: 5\nc: 6", "plain text, not JSON"),
        ("a:5\nb:6", "plain text, not JSON"),
        ("hello\na: 5", "plain text, not JSON"),
        ("{=5}", "not JSON: key must be a string"),
        ("e.g.x", "plain text, not JSON"),
        ("b'{\"number\": 1}'", "looks like Python's text of bytes"),
        ("'{\"number\": 1}'", "single quotation marks around the JSON"),
        ("{number=1, holder=a}", "names with = after them"),
        ("x\u{9c}\u{ab}V", "looks like zlib data"),
        ("x\u{fffd}\u{fffd}V", "looks like zlib data"),
        ("(\u{b5}/\u{fd} Q", "looks like Zstandard data"),
        ("(\u{fffd}/\u{fffd} Q", "looks like Zstandard data"),
        ("<order><id>5</id></order>", "looks like XML"),
        ("<?xml version=\"1.0\"?><order/>", "looks like XML"),
        ("<!DOCTYPE html><html></html>", "looks like HTML"),
        ("<HTML><BODY>", "looks like HTML"),
        ("id=5&amount=7", "looks like form data"),
        ("id=&amount=7\n", "looks like form data"),
        ("Action=SendMessage&Version=2012-11-05", "looks like form data"),
        ("items%5B0%5D=tea", "looks like form data"),
        ("a,b=c", "plain text, not JSON"),
        ("=5", "plain text, not JSON"),
        ("{'number': 1}", "single quotation marks"),
        ("[ 'tea' ]", "single quotation marks"),
        ("{\u{201c}number\u{201d}: 1}", "typographic quotation marks"),
        (r#"{\"number\": 1}"#, "looks like JSON with escaped quotation marks"),
        ("{&quot;number&quot;: 1}", "looks like JSON with HTML entities"),
        ("%7B%22number%22%3A1%7D", "looks like percent-encoded JSON"),
        ("// a card\n{\"number\": 1}", "starts with a comment"),
        ("/* a card */ {\"number\": 1}", "starts with a comment"),
        (
            "{\"number\": 1}\n{\"number\": 2}\n",
            "several JSON values, one a line (NDJSON)",
        ),
        ("{\"number\": 1}{\"number\": 2}", "several JSON values: send each"),
        ("{\"number\": 1} and more", "more text after the JSON"),
    ] {
        let why = reason(body);
        assert!(why.starts_with(found), "{body:?}: {why}");
    }
}

#[test]
fn the_reason_advises_a_raw_body_where_it_would_help() {
    for (body, found) in [
        ("hello", "plain text, not JSON"),
        ("<a/>", "looks like XML"),
        ("id=5&amount=7", "looks like form data (name=value)"),
    ] {
        assert_eq!(reason(body), format!("{found}: a handler can take it as RawBody"));
        assert_eq!(found_instead_of(Envelope::Sns, body).as_deref(), Some(found));
    }
}

#[test]
fn half_of_a_surrogate_pair_is_found_with_its_position() {
    for (body, (line, column)) in [
        (r#"{"number": 1, "holder": "\ud83d"}"#, (1, 26)),
        (r#"{"number": 1, "holder": "x\udf75"}"#, (1, 27)),
        (r#"{"number": 1, "holder": "\ud83d\u0041"}"#, (1, 26)),
        (r#"{"number": 1, "holder": "\ud83d\ud83c\udf75"}"#, (1, 26)),
        ("{\"number\": 1,\n\"holder\": \"é\\uD83D\"}", (2, 13)),
        (r#"{"number": 1, "holder": "\\\ud83d"}"#, (1, 28)),
    ] {
        let line = if body.contains('\n') {
            format!("line {line}, ")
        } else {
            String::new()
        };
        let found = format!("half of a surrogate pair at {line}column {column}: ");
        assert!(reason(body).starts_with(&found), "{body}: {}", reason(body));
    }
    assert!(decoded::<Card>(r#"{"number": 1, "holder": "\ud83c\udf75 \\ud83d"}"#).is_ok());
    let paired = reason(r#"{"number": 1, "holder": "\ud83c\udf75",}"#);
    assert!(paired.starts_with("not JSON: trailing comma"), "{paired}");
    for outside in [r#"["a", \ud83d]"#, r#"[1, \udf75]"#] {
        assert!(!reason(outside).contains("surrogate"), "{outside}: {}", reason(outside));
    }
    // Other characters behind a backslash, outside and inside of a string.
    for (body, column) in [
        (r#"[1, \"\ud83d"]"#, 7),
        (r#"["é\"\ud83d"]"#, 6),
        (r#"["\é\ud83d"]"#, 5),
    ] {
        let found = format!("half of a surrogate pair at column {column}: ");
        assert!(reason(body).starts_with(&found), "{body}: {}", reason(body));
    }
    let escaped = reason(r#"{"number": 1, "holder": "\\ud83d",}"#);
    assert!(escaped.starts_with("not JSON: trailing comma"), "{escaped}");
    let quoted = reason(r#"{"number": 1, "holder": "\"\ud83d"}"#);
    assert!(quoted.starts_with("half of a surrogate pair at column 28"), "{quoted}");
}

#[test]
fn json_of_another_sender_is_recognised() {
    let records = |source: &str| json!({"Records": [{"eventSource": source}]});
    for (body, found) in [
        (records("aws:s3"), "an S3 event notification"),
        (
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}),
            "an S3 test event",
        ),
        (records("aws:sqs"), "a whole event of Lambda: "),
        (records("minio:s3"), "an S3 event notification"),
        (records("aws:ses"), "an event of SES"),
        (records("aws:codecommit"), "an event of a CodeCommit trigger"),
        (records("aws:kafka"), "an event of a Kafka topic"),
        (
            json!({"eventSource": "SelfManagedKafka", "records": {}}),
            "missing field `number`",
        ),
        (
            json!({"eventSource": "aws:kafka", "records": {"t-0": []}}),
            "an event of a Kafka topic",
        ),
        (
            json!({"awslogs": {"data": "H4sI"}}),
            "an event of a CloudWatch Logs subscription",
        ),
        (
            json!({"requestContext": {}, "headers": {}, "body": "{}"}),
            "a whole request of API Gateway",
        ),
        (records("aws:dynamodb"), "an event of a DynamoDB stream"),
        (records("aws:kinesis"), "an event of a Kinesis stream"),
        (
            json!({"Records": [{"EventSource": "aws:sns"}]}),
            "a whole event of Lambda, from SNS",
        ),
        (
            json!(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "k"}]),
            "an S3 pointer of the SQS extended client library",
        ),
        (
            json!(["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3BucketName": "b", "s3Key": "k"}]),
            "an S3 pointer of the SQS extended client library",
        ),
        (
            json!({"s3BucketName": "b", "s3Key": "k"}),
            "an S3 pointer of the SQS extended client library",
        ),
        (
            json!({"S3Payload": {"Id": "i", "Bucket": "b", "Key": "k"}}),
            "an S3 pointer of the SQS extended client library",
        ),
        (
            json!({"Type": "Notification", "TopicArn": "t", "Message": "{}"}),
            "an SNS notification: set ENVELOPE",
        ),
        (
            json!({"Type": "SubscriptionConfirmation", "TopicArn": "t", "SubscribeURL": "https://example.com/secret"}),
            "an SNS SubscriptionConfirmation: open its SubscribeURL",
        ),
        (
            json!({"detail-type": "d", "source": "s", "detail": {}}),
            "an EventBridge event: set ENVELOPE",
        ),
        (
            json!({"specversion": "1.0", "type": "t", "source": "s", "data": {}}),
            "a CloudEvents event",
        ),
        (json!(r#"{"number": 1}"#), "JSON inside a JSON string"),
        (
            json!(json!(json!({"number": 1}).to_string()).to_string()),
            "JSON inside a JSON string",
        ),
        (json!("eyJudW1iZXIiOiAxfQ=="), "looks like Base64 of JSON"),
        (json!("data:application/json,%7B%7D"), "looks like a data: URL"),
        (
            json!([{"number": 1}, {"number": "secret"}]),
            "a list of messages in one body: send each",
        ),
        (
            json!([{"number": "secret"}]),
            "`[0]`: expected a non-negative integer (u64), found an object",
        ),
        (
            json!([[{"number": 1}]]),
            "`[0]`: expected a non-negative integer (u64), found a list",
        ),
        (json!({"Records": [{"eventSource": "mine"}]}), "missing field `number`"),
        (json!({"Records": []}), "missing field `number`"),
        (
            json!(["secret"]),
            "`[0]`: expected a non-negative integer (u64), found a string",
        ),
        (
            json!([1, "a list that is longer", "than the struct"]),
            "a value is not what the handler expects",
        ),
    ] {
        let why = reason(&body.to_string());
        assert!(why.starts_with(found), "{body}: {why}");
    }
}

#[test]
fn an_envelope_inside_another_is_named_with_what_to_do() {
    let notification = json!({"Type": "Notification", "TopicArn": "t", "Message": "{}"});
    let event = json!({"detail-type": "d", "source": "s", "detail": {}});
    for (inside, body, expected) in [
        (
            Envelope::Sns,
            &notification,
            "an SNS notification inside another envelope, and only one is removed: decode its `Message` in the handler",
        ),
        (
            Envelope::Sns,
            &event,
            "an EventBridge event inside another envelope, and only one is removed: turn on raw message delivery",
        ),
        (
            Envelope::EventBridge,
            &event,
            "an EventBridge event inside another envelope, and only one is removed: decode its `detail` in the handler",
        ),
        (Envelope::None, &event, "an EventBridge event: set ENVELOPE"),
    ] {
        let why = decode::<Card>(&body.to_string(), inside).unwrap_err();
        let why = why.strip_prefix("malformed body: ").unwrap();
        assert!(why.starts_with(expected), "{why}");
    }
}

#[test]
fn published_events_of_others_are_recognised() {
    let mut seen = 0;
    for (file, sample) in published::theirs() {
        let source = sample["Records"][0]["eventSource"].as_str();
        if matches!(source, Some("aws:s3" | "aws:dynamodb" | "aws:kinesis")) {
            seen += 1;
            let why = reason(&sample.to_string());
            assert!(why.starts_with("an "), "{file}: {why}");
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn a_message_that_looks_like_anothers_is_decoded() {
    let records = r#"{"number": 1, "Records": [{"eventSource": "aws:s3"}], "Event": "s3:TestEvent"}"#;
    assert!(decoded::<Card>(records).is_ok());
    assert!(decoded::<String>(r#""eyJudW1iZXIiOiAxfQ==""#).is_ok());
}

#[test]
fn a_raw_body_is_the_text_as_it_is() {
    for body in ["", "\u{feff}{", "Hello from SQS!", r#""quoted""#] {
        assert_eq!(decoded::<RawBody>(body).unwrap().as_str(), body);
    }
    assert_eq!(RawBody::new("a").into_string(), "a");
}

#[test]
fn json_that_is_nested_too_deeply_is_named() {
    let deep = ["[".repeat(200), "]".repeat(200)].concat();
    let why = decoded::<serde_json::Value>(&deep).unwrap_err();
    assert_eq!(
        why,
        "malformed body: nested more than 127 levels deep (line 1, column 128)"
    );
}

proptest! {
    #[test]
    fn no_body_causes_a_panic(body: String, escapes in r#"[\\"u{}\[\]0-9a-fdD:,= ]{0,40}"#) {
        for body in [body, escapes] {
            if let Err(why) = decoded::<Card>(&body) {
                prop_assert!(why.starts_with("malformed body: "));
            }
        }
    }
}
