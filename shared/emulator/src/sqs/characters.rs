//! The characters that a message and its IDs may have.

use super::errors;
use super::fields::Fields;
use crate::ApiError;

/// Checks that the text has only characters of XML, see
/// [SendMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
///
/// # Errors
/// SQS's explanation, for different errors in a body and in an attribute.
pub(crate) fn check_characters(text: &str) -> Result<(), &'static str> {
    let allowed = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    )
}

/// A group, deduplication or attempt ID: 1 to 128 alphanumeric and punctuation characters.
pub(crate) fn token<'a>(request: &Fields<'a>, name: &str) -> Result<Option<&'a str>, ApiError> {
    let valid = |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    match request.text(name)? {
        Some(id) if !valid(id) => {
            let reason =
                format!("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
            Err(errors::invalid_value(name, id, &reason))
        }
        id => Ok(id),
    }
}
