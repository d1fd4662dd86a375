//! What Lambda hands over.

use consumer::SqsEvent;
use serde::{Deserialize, Deserializer};

/// An event of SQS, or why it is none.
pub(crate) struct Event(pub(crate) Result<SqsEvent, String>);

impl<'de> Deserialize<'de> for Event {
    /// Succeeds whatever it reads: at an error the Lambda runtime would log and answer its Debug form, which quotes the event.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = SqsEvent::deserialize(deserializer);
        Ok(Self(event.map_err(|error| no_event(&error.to_string()))))
    }
}

/// The name of a missing field is SQS's own; what else serde says may quote the event.
fn no_event(words: &str) -> String {
    let what = match words.split(" at line ").next() {
        Some(missing) if missing.starts_with("missing field") => missing,
        _ => "it has another shape",
    };
    format!("this is no event of SQS: {what}: is the function invoked by something else than its queue?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str) -> Result<SqsEvent, String> {
        // As the runtime does it.
        let mut deserializer = serde_json::Deserializer::from_str(event);
        Event::deserialize(&mut deserializer).unwrap().0
    }

    #[test]
    fn an_event_of_sqs_is_read_as_it_is() {
        let event = read(r#"{"Records": [{"messageId": "m-1", "body": "b"}]}"#).unwrap();
        assert_eq!(event.records[0].message_id.as_deref(), Some("m-1"));
    }

    #[test]
    fn what_is_no_event_of_sqs_is_told_in_one_line_that_quotes_nothing_of_it() {
        let line = |what| {
            format!("this is no event of SQS: {what}: is the function invoked by something else than its queue?")
        };
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
            r#"{"Records": [{"messageId": 4111111111111111}]}"#,
            r#"{"Records": [{"attributes": {"secret": []}}]}"#,
        ] {
            assert_eq!(read(event).unwrap_err(), line("it has another shape"), "{event}");
        }
    }
}
