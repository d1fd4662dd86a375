//! Reading a request's members, so that a wrong one ends in an error that names it.

use serde_json::{Map, Value};

use super::errors;
use crate::ApiError;

/// One JSON object of a request and where it stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(request: &'a Value) -> Result<Self, ApiError> {
        Self::at(request, String::new())
    }

    fn at(value: &'a Value, path: String) -> Result<Self, ApiError> {
        match value {
            Value::Object(members) => Ok(Self { members, path }),
            _ => Err(errors::malformed(
                if path.is_empty() { "request" } else { &path },
                "an object",
            )),
        }
    }

    /// Null counts as absent, as in the AWS JSON protocol.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn malformed(&self, name: &str, expected: &str) -> ApiError {
        errors::malformed(&self.path(name), expected)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.get(name)
            .map(|value| value.as_str().ok_or_else(|| self.malformed(name, "a string")))
            .transpose()
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?
            .ok_or_else(|| errors::missing_parameter(&self.path(name)))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|value| value.as_i64().ok_or_else(|| self.malformed(name, "an integer")))
            .transpose()
    }

    /// The elements of a list; none if it is absent.
    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], ApiError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(elements)) => Ok(elements),
            Some(_) => Err(self.malformed(name, "a list")),
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        let not_text = || self.malformed(name, "a list of strings");
        self.list(name)?
            .iter()
            .map(|element| element.as_str().ok_or_else(not_text))
            .collect()
    }

    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Fields<'a>>, ApiError> {
        let elements = self.list(name)?.iter().enumerate();
        elements
            .map(|(index, element)| Fields::at(element, self.path(&format!("{name}[{index}]"))))
            .collect()
    }

    /// The entries of a map from string to string; none if it is absent.
    pub(crate) fn text_map(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, ApiError> {
        let Some(entries) = self.object(name)? else {
            return Ok(Vec::new());
        };
        entries
            .members
            .keys()
            .map(|key| Ok((key.as_str(), entries.required_text(key)?)))
            .collect()
    }

    /// The entries of a map from string to object; none if it is absent.
    pub(crate) fn object_map(&self, name: &str) -> Result<Vec<(&'a str, Fields<'a>)>, ApiError> {
        let Some(entries) = self.object(name)? else {
            return Ok(Vec::new());
        };
        let entry = |(key, value): (&'a String, &'a Value)| Ok((key.as_str(), Fields::at(value, entries.path(key))?));
        entries.members.iter().map(entry).collect()
    }

    fn object(&self, name: &str) -> Result<Option<Fields<'a>>, ApiError> {
        self.get(name)
            .map(|value| Fields::at(value, self.path(name)))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_of_the_wrong_type_is_named_with_its_place() {
        let request = json!({ "Entries": [{ "Id": "a" }, { "Id": "b", "DelaySeconds": "soon" }] });
        let entries = Fields::of(&request).unwrap().objects("Entries").unwrap();
        let error = entries[1].integer("DelaySeconds").unwrap_err();
        assert_eq!(error.message, "Entries[1].DelaySeconds: expected an integer");
    }

    #[test]
    fn null_counts_as_absent() {
        let request = json!({ "QueueUrl": null });
        let error = Fields::of(&request).unwrap().required_text("QueueUrl").unwrap_err();
        assert_eq!(error.name(), "MissingRequiredParameterException");
    }

    #[test]
    fn a_request_that_is_no_object_is_refused() {
        assert_eq!(Fields::of(&json!([])).unwrap_err().name(), "SerializationException");
    }
}
