//! Values of a statement's parameters.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// The value of a parameter (`$1`, `$2`, ...) of a statement.
///
/// Made from texts, numbers, booleans, JSON, bytes, and options of them. PostgreSQL infers the type, as it does for a
/// literal in quotes: a text fits a column of the type `uuid` or `timestamptz`. Where nothing states the type, a cast
/// does: `$1::bigint`.
///
/// `Debug` shows no value: it may be personal data.
#[derive(Clone, PartialEq)]
pub struct Parameter(Value);

#[derive(Clone, PartialEq)]
enum Value {
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

impl Parameter {
    /// No value.
    pub const NULL: Self = Self(Value::Null);

    /// The type that the server is given: that of bytes, otherwise none, so that it infers one.
    pub(crate) fn declared(&self) -> Type {
        match self.0 {
            Value::Bytes(_) => Type::BYTEA,
            Value::Null | Value::Text(_) => Type::UNKNOWN,
        }
    }

    /// Whether it is a text with a NUL character, which PostgreSQL can't hold.
    pub(crate) fn has_nul(&self) -> bool {
        matches!(&self.0, Value::Text(text) if text.contains('\0'))
    }

    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Value::Null => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Value::Null => "NULL",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
        })
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            Value::Bytes(_) => Format::Binary,
            Value::Null | Value::Text(_) => Format::Text,
        }
    }

    tokio_postgres::types::to_sql_checked!();
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.to_owned()))
    }
}

impl From<String> for Parameter {
    fn from(text: String) -> Self {
        Self(Value::Text(text))
    }
}

impl From<Vec<u8>> for Parameter {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Value::Bytes(bytes))
    }
}

impl From<&[u8]> for Parameter {
    fn from(bytes: &[u8]) -> Self {
        Self(Value::Bytes(bytes.to_vec()))
    }
}

/// As compact JSON, for columns of the types `json`, `jsonb` and `text`.
impl From<serde_json::Value> for Parameter {
    fn from(json: serde_json::Value) -> Self {
        Self(Value::Text(json.to_string()))
    }
}

impl<T: Into<Parameter>> From<Option<T>> for Parameter {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

macro_rules! as_written {
    ($($type:ty)*) => {$(
        impl From<$type> for Parameter {
            fn from(value: $type) -> Self {
                Self(Value::Text(value.to_string()))
            }
        }
    )*};
}

as_written! { bool i16 i32 i64 u16 u32 u64 f32 f64 }

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(parameter: impl Into<Parameter>) -> Option<Vec<u8>> {
        let mut out = BytesMut::new();
        match parameter.into().to_sql(&Type::UNKNOWN, &mut out).unwrap() {
            IsNull::Yes => None,
            IsNull::No => Some(out.to_vec()),
        }
    }

    #[test]
    fn values_are_sent_as_they_are_written() {
        for (parameter, text) in [
            (Parameter::from("ü"), "ü"),
            (Parameter::from(-7_i64), "-7"),
            (Parameter::from(u64::MAX), "18446744073709551615"),
            (Parameter::from(0.1), "0.1"),
            (Parameter::from(f64::NEG_INFINITY), "-inf"),
            (Parameter::from(true), "true"),
            (
                Parameter::from(serde_json::json!({"a": [1, null]})),
                r#"{"a":[1,null]}"#,
            ),
            (Parameter::from(Some("x")), "x"),
        ] {
            assert_eq!(parameter.declared(), Type::UNKNOWN);
            assert_eq!(parameter.bytes(), text.len());
            assert_eq!(sent(parameter), Some(text.as_bytes().to_vec()));
        }
        assert_eq!(sent(None::<i64>), None);
        assert_eq!(sent(&b"\0\xff"[..]), Some(vec![0, 0xff]));
        assert_eq!(Parameter::from(vec![0]).declared(), Type::BYTEA);
    }

    #[test]
    fn only_a_text_has_a_nul_character() {
        assert!(Parameter::from("a\0").has_nul());
        assert!(!Parameter::from(vec![0]).has_nul() && !Parameter::from("a").has_nul());
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", [Parameter::from("secret"), Parameter::from(vec![7])]);
        assert_eq!(shown, "[text, bytes]");
    }
}
