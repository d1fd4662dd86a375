//! Headers: those with a meaning here, and how the others become message attributes.

use consumer::Attribute;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

/// The header with a message's group.
pub const GROUP: &str = "message-group";
/// The header with a message's trace, in the format of AWS X-Ray. It is that of the HTTP header
/// ([tracing header](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader)).
pub const TRACE: &str = "X-Amzn-Trace-Id";
/// How often a message was received before it was copied.
pub(crate) const ATTEMPTS: &str = "Consumer.Attempts";
/// When a copy is to be redelivered, in milliseconds since 1970.
pub(crate) const NOT_BEFORE: &str = "Consumer.NotBefore";
/// How often a quorum queue has returned a message.
pub(crate) const DELIVERY_COUNT: &str = "x-delivery-count";

/// Headers of the broker. `CC` and `BCC` would send a copy to further queues
/// ([sender-selected distribution](https://www.rabbitmq.com/docs/sender-selected)). With `x-death` the broker would take the
/// return from a wait queue for a cycle, and drop the message
/// ([cycles](https://www.rabbitmq.com/docs/dlx#routing)).
pub(crate) fn is_of_broker(name: &str) -> bool {
    matches!(name, "CC" | "BCC" | "x-death" | "x-acquired-count") || name == DELIVERY_COUNT || {
        name.starts_with("x-first-death-") || name.starts_with("x-last-death-")
    }
}

/// Whether a header with this name is a message attribute.
pub(crate) fn is_attribute(name: &str) -> bool {
    !is_of_broker(name) && ![GROUP, TRACE, ATTEMPTS, NOT_BEFORE].contains(&name)
}

/// A header's value, if the message has that header.
pub(crate) fn header<'a>(headers: Option<&'a FieldTable>, name: &str) -> Option<&'a AMQPValue> {
    headers?.inner().get(name)
}

/// A header as text, without empty ones.
pub(crate) fn text(headers: Option<&FieldTable>, name: &str) -> Option<String> {
    let attribute = attribute(header(headers, name)?)?;
    attribute.string_value
}

/// A header as a number, 0 or more.
pub(crate) fn number(headers: Option<&FieldTable>, name: &str) -> Option<u64> {
    match integer(header(headers, name)?)? {
        negative if negative < 0 => None,
        number => u64::try_from(number).ok(),
    }
}

fn integer(value: &AMQPValue) -> Option<i128> {
    Some(match value {
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        _ => return None,
    })
}

/// The value as a message attribute. `None`: it is empty, which an attribute can't be.
pub(crate) fn attribute(value: &AMQPValue) -> Option<Attribute> {
    let (data_type, string_value, binary_value) = match value {
        AMQPValue::LongString(bytes) => match str::from_utf8(bytes.as_bytes()) {
            Ok(text) => ("String", Some(text.to_owned()), None),
            Err(_) => ("Binary", None, Some(bytes.as_bytes().to_vec())),
        },
        AMQPValue::ByteArray(bytes) => ("Binary", None, Some(bytes.as_slice().to_vec())),
        other => match json(other) {
            Value::Null => return None,
            Value::String(text) => ("String", Some(text), None),
            number @ Value::Number(_) => ("Number", Some(number.to_string()), None),
            other => ("String", Some(other.to_string()), None),
        },
    };
    let is_empty =
        string_value.as_ref().is_none_or(String::is_empty) && binary_value.as_ref().is_none_or(Vec::is_empty);
    (!is_empty).then(|| Attribute {
        data_type: Some(data_type.to_owned()),
        string_value,
        binary_value,
    })
}

/// The value as JSON: a table or a list has no other form as text.
fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => Value::Bool(*value),
        AMQPValue::Float(number) => Value::from(*number),
        AMQPValue::Double(number) => Value::from(*number),
        AMQPValue::DecimalValue(decimal) => Value::from(f64::from(decimal.value) / 10_f64.powi(decimal.scale.into())),
        AMQPValue::ShortString(text) => Value::from(text.as_str()),
        AMQPValue::LongString(text) => Value::from(text.to_string()),
        AMQPValue::ByteArray(bytes) => Value::from(hex::encode(bytes.as_slice())),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => {
            let entries = table.into_iter().map(|(name, value)| (name.to_string(), json(value)));
            Value::Object(entries.collect())
        }
        AMQPValue::Void => Value::Null,
        number => integer(number)
            .and_then(|number| i64::try_from(number).ok())
            .map_or(Value::Null, Value::from),
    }
}

/// A message attribute as a header.
pub(crate) fn value(attribute: &Attribute) -> AMQPValue {
    let is_number = attribute
        .data_type
        .as_ref()
        .is_some_and(|data_type| data_type.starts_with("Number"));
    match (&attribute.string_value, &attribute.binary_value) {
        (Some(text), _) if is_number => numeric(text).unwrap_or_else(|| AMQPValue::LongString(text.as_str().into())),
        (Some(text), _) => AMQPValue::LongString(text.as_str().into()),
        (None, Some(bytes)) => AMQPValue::ByteArray(bytes.as_slice().into()),
        (None, None) => AMQPValue::Void,
    }
}

/// The number, if it has the same text when it is read again.
fn numeric(text: &str) -> Option<AMQPValue> {
    let values = [
        text.parse().ok().map(AMQPValue::LongLongInt),
        text.parse().ok().map(AMQPValue::Double),
    ];
    let read_again = |value: &AMQPValue| json(value).to_string();
    values.into_iter().flatten().find(|value| read_again(value) == text)
}

#[cfg(test)]
mod tests {
    use lapin::types::{DecimalValue, FieldArray};

    use super::*;

    fn parts(value: AMQPValue) -> Option<(String, Option<String>, Option<Vec<u8>>)> {
        let attribute = attribute(&value)?;
        Some((
            attribute.data_type.unwrap(),
            attribute.string_value,
            attribute.binary_value,
        ))
    }

    #[test]
    fn each_type_of_header_becomes_an_attribute() {
        let text = |data_type: &str, text: &str| Some((data_type.to_owned(), Some(text.to_owned()), None));
        let decimal = DecimalValue { scale: 2, value: 1250 };
        let list = FieldArray::from(vec![AMQPValue::LongInt(1), AMQPValue::LongString("ü".into())]);
        let mut table = FieldTable::default();
        table.insert("a".into(), AMQPValue::Boolean(true));
        for (value, expected) in [
            (AMQPValue::LongString("tea ü".into()), text("String", "tea ü")),
            (AMQPValue::ShortString("x".into()), text("String", "x")),
            (AMQPValue::Boolean(false), text("String", "false")),
            (AMQPValue::ShortShortInt(-1), text("Number", "-1")),
            (AMQPValue::LongLongInt(i64::MIN), text("Number", "-9223372036854775808")),
            (AMQPValue::Double(0.5), text("Number", "0.5")),
            (AMQPValue::DecimalValue(decimal), text("Number", "12.5")),
            (AMQPValue::Timestamp(1_700_000_000), text("Number", "1700000000")),
            (AMQPValue::FieldArray(list), text("String", "[1,\"ü\"]")),
            (AMQPValue::FieldTable(table), text("String", "{\"a\":true}")),
            (
                AMQPValue::LongString(vec![0xff].into()),
                Some(("Binary".to_owned(), None, Some(vec![0xff]))),
            ),
            (
                AMQPValue::ByteArray(vec![1, 2].into()),
                Some(("Binary".to_owned(), None, Some(vec![1, 2]))),
            ),
            (AMQPValue::Void, None),
            (AMQPValue::LongString("".into()), None),
            (AMQPValue::ByteArray(vec![].into()), None),
            (AMQPValue::Double(f64::NAN), None),
        ] {
            assert_eq!(parts(value), expected);
        }
    }

    #[test]
    fn an_attribute_is_unchanged_by_the_way_through_a_header() {
        let attribute_of = |data_type: &str, text: Option<&str>, bytes: Option<&[u8]>| Attribute {
            data_type: Some(data_type.to_owned()),
            string_value: text.map(str::to_owned),
            binary_value: bytes.map(<[u8]>::to_vec),
        };
        for given in [
            attribute_of("String", Some("12"), None),
            attribute_of("Number", Some("12"), None),
            attribute_of("Number", Some("-0.5"), None),
            attribute_of("Binary", None, Some(b"tea")),
        ] {
            assert_eq!(attribute(&value(&given)).as_ref(), Some(&given));
        }
        // A number that AMQP would round keeps its digits as text.
        let precise = attribute_of("Number", Some("1.10"), None);
        let text = attribute(&value(&precise)).unwrap().string_value;
        assert_eq!(text.as_deref(), Some("1.10"));
    }

    #[test]
    fn headers_of_the_broker_are_no_attributes() {
        for name in [
            "CC",
            "BCC",
            "x-death",
            "x-first-death-queue",
            "x-last-death-reason",
            "x-delivery-count",
        ] {
            assert!(is_of_broker(name) && !is_attribute(name), "{name}");
        }
        for name in ["Cc", "x-tenant", "IdempotencyKey", "traceparent", "Consumer.Original"] {
            assert!(is_attribute(name), "{name}");
        }
    }

    #[test]
    fn a_negative_or_missing_number_is_none() {
        let mut headers = FieldTable::default();
        headers.insert("a".into(), AMQPValue::LongInt(-1));
        headers.insert("b".into(), AMQPValue::LongString("1".into()));
        headers.insert("c".into(), AMQPValue::ShortShortUInt(7));
        let number = |name| number(Some(&headers), name);
        assert_eq!(
            (number("a"), number("b"), number("c"), number("d")),
            (None, None, Some(7), None)
        );
    }
}
