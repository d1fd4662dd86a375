//! The errors SQS answers: their shape names, their messages, and the codes of the older query protocol.

use std::fmt::Display;

use crate::ApiError;

/// The code that the older query protocol gave this error, such as `AWS.SimpleQueueService.NonExistentQueue`.
///
/// SDKs that grew up with that protocol (boto3, the AWS CLI) show this code instead of the shape name; the response carries it
/// in the header `x-amzn-query-error: {code};Sender`
/// ([awsQueryCompatible](https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait)).
/// `None` if the error has no such code.
pub fn query_error_code(error: &ApiError) -> Option<String> {
    let code = match error.name() {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists" => "QueueAlreadyExists",
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        "SerializationException" | "UnknownOperationException" => return None,
        name @ ("BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "EmptyBatchRequest"
        | "InvalidBatchEntryId"
        | "MessageNotInflight"
        | "TooManyEntriesInBatchRequest"
        | "UnsupportedOperation") => return Some(format!("AWS.SimpleQueueService.{name}")),
        name => name,
    };
    Some(code.to_owned())
}

/// An error of the SQS model.
pub(crate) fn sqs(shape: &str, message: impl Into<String>) -> ApiError {
    ApiError::bad_request(format!("com.amazonaws.sqs#{shape}"), message)
}

pub(crate) fn request_throttled() -> ApiError {
    ApiError {
        status: 403,
        ..sqs("RequestThrottled", "The request was denied due to request throttling.")
    }
}

pub(crate) fn queue_does_not_exist() -> ApiError {
    sqs("QueueDoesNotExist", "The specified queue does not exist.")
}

pub(crate) fn resource_not_found(message: impl Into<String>) -> ApiError {
    ApiError {
        status: 404,
        ..sqs("ResourceNotFoundException", message)
    }
}

/// A queue URL that is none.
pub(crate) fn invalid_address(url: &str) -> ApiError {
    sqs(
        "InvalidAddress",
        format!("The address {url} is not valid for this endpoint."),
    )
}

pub(crate) fn unknown_attribute(name: &str) -> ApiError {
    sqs("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(crate) fn invalid_attribute_value(name: &str, reason: &str) -> ApiError {
    sqs(
        "InvalidAttributeValue",
        format!("Invalid value for the parameter {name}. Reason: {reason}"),
    )
}

/// Not in the SQS model, but what the service answers to most bad values.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("com.amazon.coral.service#InvalidParameterValueException", message)
}

pub(crate) fn invalid_value(parameter: &str, value: impl Display, reason: &str) -> ApiError {
    invalid_parameter(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

/// A number outside `low..=high`, in the words of the numeric parameters of `ReceiveMessage`.
pub(crate) fn out_of_range(parameter: &str, value: i64, low: i64, high: i64) -> ApiError {
    invalid_value(
        parameter,
        value,
        &format!("Must be >= {low} and <= {high}, if provided."),
    )
}

pub(crate) fn missing_parameter(parameter: &str) -> ApiError {
    let message = format!("The request must contain the parameter {parameter}.");
    ApiError::bad_request("com.amazon.coral.service#MissingRequiredParameterException", message)
}

/// A member of the wrong JSON type.
pub(crate) fn malformed(field: &str, expected: &str) -> ApiError {
    ApiError::bad_request(
        "com.amazon.coral.service#SerializationException",
        format!("{field}: expected {expected}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_queue_has_the_old_code_that_boto3_shows() {
        let code = query_error_code(&queue_does_not_exist());
        assert_eq!(code.as_deref(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    }

    #[test]
    fn bad_values_have_the_short_old_codes() {
        let codes = [
            invalid_parameter(""),
            missing_parameter("QueueUrl"),
            unknown_attribute("X"),
        ]
        .map(|error| query_error_code(&error).unwrap());
        assert_eq!(
            codes,
            ["InvalidParameterValue", "MissingParameter", "InvalidAttributeName"]
        );
    }

    #[test]
    fn batch_errors_keep_their_name_under_the_old_namespace() {
        let code = query_error_code(&sqs("EmptyBatchRequest", ""));
        assert_eq!(code.as_deref(), Some("AWS.SimpleQueueService.EmptyBatchRequest"));
    }
}
