//! A request of the Functions host to a
//! [custom handler](https://learn.microsoft.com/en-us/azure/azure-functions/functions-custom-handlers#request-payload).

use std::collections::BTreeMap;

use azure_queue::AzureQueueUrl;
use consumer::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Unreadable;

/// What the trigger has, by the names of bindings, and what is known of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Invocation<'a> {
    #[serde(borrow)]
    data: BTreeMap<String, &'a RawValue>,
    metadata: Map<String, Value>,
}

pub(super) fn read(queue: &AzureQueueUrl, body: &[u8]) -> Result<Incoming, Unreadable> {
    let invocation: Invocation<'_> = serde_json::from_slice(body).map_err(|error| {
        // The text of an error quotes what it found.
        let (line, column) = (error.line(), error.column());
        Unreadable::NoMessage(format!(
            "it is not {{\"Data\": {{...}}, \"Metadata\": {{...}}}} (line {line}, column {column})"
        ))
    })?;
    let bindings = invocation.data.len();
    let mut data = invocation.data.into_values();
    let (Some(item), None) = (data.next(), data.next()) else {
        return Err(Unreadable::NoMessage(format!(
            "its Data has {bindings} bindings, and that of a queue trigger without other inputs has one"
        )));
    };
    let malformed = |why| Unreadable::Malformed {
        why,
        record: String::from_utf8_lossy(body).into_owned(),
    };
    queue.triggered(item, &invocation.metadata).map_err(malformed)
}
