//! Reading a request's members, each with the error DynamoDB gives when it is wrong.

use serde_json::{Map, Value};

use super::error::{constraint, missing, serialization, validation};
use super::value::{Item, parse_item, token};
use crate::ApiError;

/// A JSON object of a request. A member that is `null` counts as absent, as in the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a>(&'a Map<String, Value>);

impl<'a> Request<'a> {
    pub(super) fn new(json: &'a Value) -> Result<Self, ApiError> {
        json.as_object()
            .map(Self)
            .ok_or_else(|| serialization(format!("{} where a structure is expected", token(json))))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.0.keys()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.0.iter()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.typed(name, "String", Value::as_str)
    }

    pub(super) fn required_text(&self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.typed(name, "Boolean", Value::as_bool)
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, ApiError> {
        self.typed(name, "List", Value::as_array)
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, ApiError> {
        Ok(self.typed(name, "Map", Value::as_object)?.map(Self))
    }

    pub(super) fn item(&self, name: &str) -> Result<Item, ApiError> {
        parse_item(self.get(name).ok_or_else(|| missing(name))?)
    }

    /// An integer of at least 1, such as `Limit`.
    pub(super) fn limit(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let Some(limit) = self.typed(name, "Integer", Value::as_i64)? else {
            return Ok(None);
        };
        match usize::try_from(limit) {
            Ok(limit) if limit >= 1 => Ok(Some(limit)),
            _ => {
                let rule = "Member must have value greater than or equal to 1";
                Err(constraint(Some(&limit.to_string()), name, rule))
            }
        }
    }

    pub(super) fn one_of(&self, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if allowed.contains(&text) {
            return Ok(Some(text));
        }
        let rule = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
        Err(constraint(Some(text), name, &rule))
    }

    pub(super) fn table_name(&self) -> Result<&'a str, ApiError> {
        let name = self.required_text("TableName")?;
        check_table_name(name, "TableName")?;
        Ok(name)
    }

    /// Refuses members that would change the answer and that nothing here honours.
    pub(super) fn refuse(&self, names: &[&str]) -> Result<(), ApiError> {
        match names.iter().find(|name| self.get(name).is_some()) {
            Some(name) => Err(not_emulated(name)),
            None => Ok(()),
        }
    }

    fn typed<T>(&self, name: &str, kind: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let refuse = || serialization(format!("{} cannot be converted to {kind}: {name}", token(value)));
        read(value).map(Some).ok_or_else(refuse)
    }
}

pub(super) fn not_emulated(member: &str) -> ApiError {
    validation(format!(
        "One or more parameter values were invalid: the local stack does not emulate {member}"
    ))
}

/// Rules: [Naming rules](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.NamingRules).
pub(super) fn check_table_name(name: &str, member: &str) -> Result<(), ApiError> {
    let rule = if name.len() < 3 {
        "Member must have length greater than or equal to 3"
    } else if name.len() > 255 {
        "Member must have length less than or equal to 255"
    } else if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    {
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    } else {
        return Ok(());
    };
    Err(constraint(Some(name), member, rule))
}
