//! A secret's value, which no log shows.

use std::fmt;
use std::sync::Arc;

use consumer::Failure;
use serde_json::Value;

/// The value of a secret. Its `Debug` and `Display` forms are `***`; only [`expose`](Self::expose) returns it.
///
/// It is cheap to clone. It is not erased from memory: the process's environment has the credentials to read it anyway.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue {
    /// The secret's name, for reasons.
    name: Arc<str>,
    value: Arc<str>,
}

impl SecretValue {
    pub(crate) fn new(name: Arc<str>, value: impl Into<Arc<str>>) -> Self {
        let value = value.into();
        Self { name, value }
    }

    /// The value itself. Put it where it is needed, and into no error and no log.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// A field of a secret that is a JSON object, such as the `password` that the console and rotation functions store beside
    /// the `username`. A number or a truth value is taken as its text.
    ///
    /// # Errors
    ///
    /// A retry that names the secret and the field: the secret is no JSON object, or has no such text.
    pub fn field(&self, field: &str) -> Result<Self, Failure> {
        let wrong = |problem: &str| Failure::retry(format!("secret {:?} {problem}", self.name));
        let object: Value = serde_json::from_str(&self.value)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| wrong("is not a JSON object, so it has no fields"))?;
        let value = match &object[field] {
            Value::Null => return Err(wrong(&format!("has no field {field:?}"))),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Array(_) | Value::Object(_) => return Err(wrong(&format!("has no text in its field {field:?}"))),
        };
        Ok(Self::new(Arc::clone(&self.name), value))
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str) -> SecretValue {
        SecretValue::new("gateway".into(), value)
    }

    #[test]
    fn no_text_form_has_the_value() {
        let value = value("sesame");
        assert_eq!(format!("{value} {value:?} {:?}", Some(&value)), "*** *** Some(***)");
        assert_eq!(value.expose(), "sesame");
    }

    #[test]
    fn a_field_is_a_text_a_number_or_a_truth_value() {
        let value = value(r#"{"password": "sesame", "port": 5432, "tls": true, "": "empty"}"#);
        for (field, expected) in [("password", "sesame"), ("port", "5432"), ("tls", "true"), ("", "empty")] {
            assert_eq!(value.field(field).unwrap().expose(), expected);
        }
    }

    #[test]
    fn a_field_that_is_missing_is_a_retry_without_the_value() {
        for (text, problem) in [
            ("sesame", "is not a JSON object, so it has no fields"),
            (r#""sesame""#, "is not a JSON object, so it has no fields"),
            (r#"["sesame"]"#, "is not a JSON object, so it has no fields"),
            (r#"{"user": "sesame"}"#, r#"has no field "password""#),
            (r#"{"password": null}"#, r#"has no field "password""#),
            (r#"{"password": ["sesame"]}"#, r#"has no text in its field "password""#),
        ] {
            let failure = value(text).field("password").unwrap_err();
            assert!(!failure.is_permanent());
            assert_eq!(failure.to_string(), format!(r#"secret "gateway" {problem}"#));
        }
    }
}
