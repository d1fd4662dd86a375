//! Tags, which are only stored and returned.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ApiError;
use crate::sqs::fields::Fields;
use crate::sqs::world::World;

pub(super) fn add(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let tags = request.text_map("Tags")?;
    let added = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    world.queue_of(request, now)?.tags.extend(added);
    Ok(json!({}))
}

pub(super) fn remove(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    let keys = request.texts("TagKeys")?;
    world
        .queue_of(request, now)?
        .tags
        .retain(|key, _| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, request: &Fields<'_>, now: Instant) -> Result<Value, ApiError> {
    Ok(json!({ "Tags": world.queue_of(request, now)?.tags }))
}
