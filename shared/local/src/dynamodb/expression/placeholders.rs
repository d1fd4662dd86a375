//! The `#names` and `:values` that come with a request's expressions.

use std::collections::{BTreeMap, BTreeSet};

use crate::ApiError;
use crate::dynamodb::error::{serialization, validation};
use crate::dynamodb::request::Request;
use crate::dynamodb::value::{AttributeValue, Item};

/// What stands behind each placeholder, and which were used so far.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    names: BTreeMap<String, String>,
    values: Item,
    used: BTreeSet<String>,
}

impl Placeholders {
    /// Reads both maps of a request. `expressions` are the members that may use a name, `with_values` those that may
    /// use a value, too: without any of them, the maps are refused.
    pub(crate) fn read(request: &Request<'_>, expressions: &[&str], with_values: &[&str]) -> Result<Self, ApiError> {
        let names = read_names(request)?;
        let values = read_values(request)?;
        if names.is_some() && !request.has_any(expressions) {
            return Err(validation(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        if values.is_some() && !request.has_any(with_values) {
            let are = if with_values.len() == 1 { "is" } else { "are" };
            return Err(validation(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {} {are} null",
                with_values.join(" and ")
            )));
        }
        Ok(Self {
            names: names.unwrap_or_default(),
            values: values.unwrap_or_default(),
            used: BTreeSet::new(),
        })
    }

    pub(super) fn name(&mut self, placeholder: &str) -> Option<String> {
        self.used.insert(placeholder.to_owned());
        self.names.get(placeholder).cloned()
    }

    pub(super) fn value(&mut self, placeholder: &str) -> Option<AttributeValue> {
        self.used.insert(placeholder.to_owned());
        self.values.get(placeholder).cloned()
    }

    /// Call it when all expressions are parsed: a placeholder that none of them used is an error.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        refuse_unused("ExpressionAttributeNames", self.names.keys(), &self.used)?;
        refuse_unused("ExpressionAttributeValues", self.values.keys(), &self.used)
    }
}

fn read_names(request: &Request<'_>) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    let member = "ExpressionAttributeNames";
    let Some(entries) = request.object(member)? else {
        return Ok(None);
    };
    check_keys(member, '#', entries.keys())?;
    entries
        .entries()
        .map(|(key, name)| {
            let name = name
                .as_str()
                .ok_or_else(|| serialization(format!("{member}: {key} is not a String")))?;
            if name.is_empty() {
                let reason =
                    format!("ExpressionAttributeNames contains invalid value: Empty attribute name; key: {key}");
                return Err(validation(reason));
            }
            Ok((key.clone(), name.to_owned()))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

fn read_values(request: &Request<'_>) -> Result<Option<Item>, ApiError> {
    let member = "ExpressionAttributeValues";
    let Some(entries) = request.object(member)? else {
        return Ok(None);
    };
    check_keys(member, ':', entries.keys())?;
    entries
        .entries()
        .map(|(key, json)| {
            let value = AttributeValue::parse(json).map_err(|mut error| {
                if error.name() == "ValidationException" {
                    error.message = format!("{member} contains invalid value: {} for key {key}", error.message);
                }
                error
            })?;
            Ok((key.clone(), value))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

fn check_keys<'a>(member: &str, mark: char, keys: impl Iterator<Item = &'a String>) -> Result<(), ApiError> {
    let mut empty = true;
    for key in keys {
        empty = false;
        let name = key.strip_prefix(mark).unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(validation(format!(
                "{member} contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
    }
    if empty {
        Err(validation(format!("{member} must not be empty")))
    } else {
        Ok(())
    }
}

fn refuse_unused<'a>(
    member: &str,
    given: impl Iterator<Item = &'a String>,
    used: &BTreeSet<String>,
) -> Result<(), ApiError> {
    let unused: Vec<_> = given.filter(|key| !used.contains(*key)).map(String::as_str).collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(validation(format!(
        "Value provided in {member} unused in expressions: keys: {{{}}}",
        unused.join(", ")
    )))
}
