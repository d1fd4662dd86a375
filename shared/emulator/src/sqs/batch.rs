//! Batch requests: checking their entries and telling entry by entry what became of them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::errors::{self, query_error_code};
use super::fields::Fields;
use crate::ApiError;

const MAX_ENTRIES: usize = 10;

/// One entry of a batch request.
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a str,
    pub(crate) fields: Fields<'a>,
}

/// The entries of a request that can be processed entry by entry. `kind` is the API's name for an entry.
pub(crate) fn entries<'a>(request: &Fields<'a>, kind: &str) -> Result<Vec<Entry<'a>>, ApiError> {
    let objects = request.objects("Entries")?;
    if objects.is_empty() {
        let message = format!("There should be at least one {kind} in the request.");
        return Err(errors::sqs("EmptyBatchRequest", message));
    }
    if objects.len() > MAX_ENTRIES {
        let message = format!(
            "Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.",
            objects.len()
        );
        return Err(errors::sqs("TooManyEntriesInBatchRequest", message));
    }
    let entry = |fields: Fields<'a>| {
        Ok(Entry {
            id: fields.required_text("Id")?,
            fields,
        })
    };
    let entries = objects.into_iter().map(entry).collect::<Result<Vec<_>, ApiError>>()?;
    check_ids(&entries)?;
    Ok(entries)
}

fn check_ids(entries: &[Entry<'_>]) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    for Entry { id, .. } in entries {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=80).contains(&id.len()) || !id.bytes().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return Err(errors::sqs("InvalidBatchEntryId", message));
        }
        if !seen.insert(id) {
            return Err(errors::sqs("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// The answer to a batch request: each entry's own answer with its ID, or why it failed. An empty list is left out, though the
/// API's model requires both ([AWS does so](https://github.com/aws/aws-sdk/issues/657)): clients see whether it is there.
pub(crate) fn answer<'a>(results: impl IntoIterator<Item = (&'a str, Result<Value, ApiError>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(answer) => successful.push(with_id(id, answer)),
            Err(error) => failed.push(failure(id, &error)),
        }
    }
    let lists = [("Successful", successful), ("Failed", failed)].into_iter();
    let lists = lists.filter(|(_, entries)| !entries.is_empty());
    let members: Map<_, _> = lists.map(|(name, entries)| (name.to_owned(), entries.into())).collect();
    members.into()
}

fn with_id(id: &str, mut answer: Value) -> Value {
    answer["Id"] = id.into();
    answer
}

fn failure(id: &str, error: &ApiError) -> Value {
    let code = query_error_code(error).unwrap_or_else(|| error.name().to_owned());
    json!({ "Id": id, "SenderFault": true, "Code": code, "Message": error.message })
}
