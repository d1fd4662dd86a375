//! The errors, worded as DynamoDB words them where its wording is known.

use crate::ApiError;

/// One of DynamoDB's own modelled errors.
pub(super) fn service(name: &str, message: impl Into<String>) -> ApiError {
    ApiError::bad_request(format!("com.amazonaws.dynamodb.v20120810#{name}"), message)
}

/// The request is well formed and still wrong.
pub(super) fn validation(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("com.amazon.coral.validate#ValidationException", message)
}

/// A member has the wrong JSON type.
pub(super) fn serialization(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("com.amazon.coral.service#SerializationException", message)
}

/// One member breaks a rule of the service's model, such as its length.
pub(super) fn constraint(value: Option<&str>, field: &str, rule: &str) -> ApiError {
    let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
    let mut letters = field.chars();
    let field = letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect::<String>();
    validation(format!(
        "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: {rule}"
    ))
}

/// A member that must be there is not.
pub(super) fn missing(field: &str) -> ApiError {
    constraint(None, field, "Member must not be null")
}

pub(super) fn table_not_found() -> ApiError {
    service("ResourceNotFoundException", "Requested resource not found")
}

pub(super) fn condition_failed() -> ApiError {
    service("ConditionalCheckFailedException", "The conditional request failed")
}
