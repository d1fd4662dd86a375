//! Tags, which are only stored and returned.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ApiError;
use crate::sqs::errors;
use crate::sqs::fields::Fields;
use crate::sqs::world::{World, queue_name};

/// As AWS's tags are in general, see
/// [tag naming limits](https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html).
const MAX_TAGS: usize = 50;
/// In characters.
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

pub(super) fn add(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let name = queue_name(request)?;
    let tags = &mut world.queue(name, now)?.tags;
    let added = request.text_map("Tags")?;
    if added.is_empty() {
        return Err(errors::missing_parameter("Tags"));
    }
    put(tags, name, &added)?;
    Ok(json!({}))
}

/// Adds all of them, or none.
pub(super) fn put(tags: &mut BTreeMap<String, String>, queue: &str, added: &[(&str, &str)]) -> Result<(), ApiError> {
    added.iter().try_for_each(|(key, value)| check(key, value))?;
    let new = added.iter().filter(|(key, _)| !tags.contains_key(*key)).count();
    if tags.len() + new > MAX_TAGS {
        let message = format!("Too many tags added for queue {queue}.");
        return Err(errors::invalid_parameter(message));
    }
    tags.extend(
        added
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Ok(())
}

fn check(key: &str, value: &str) -> Result<(), ApiError> {
    let problem = if !(1..=MAX_KEY).contains(&key.chars().count()) {
        "Tag keys must be between 1 and 128 characters in length."
    } else if value.chars().count() > MAX_VALUE {
        "Tag values must be between 0 and 256 characters in length."
    } else if key.to_ascii_lowercase().starts_with("aws:") {
        "Tag keys can't start with aws:, which is reserved."
    } else {
        return Ok(());
    };
    Err(errors::invalid_parameter(problem))
}

pub(super) fn remove(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let tags = &mut world.queue_of(request, now)?.tags;
    let keys = request.texts("TagKeys")?;
    if keys.is_empty() {
        return Err(errors::missing_parameter("TagKeys"));
    }
    tags.retain(|key, _| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let tags = &world.queue_of(request, now)?.tags;
    Ok(if tags.is_empty() {
        json!({})
    } else {
        json!({ "Tags": tags })
    })
}
