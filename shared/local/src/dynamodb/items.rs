//! `PutItem`, `GetItem`, `UpdateItem` and `DeleteItem`.

use serde_json::{Map, Value};

use super::capacity::{Report, read_units, write_units};
use super::error::validation;
use super::expression::{Placeholders, Projection};
use super::request::Request;
use super::store::Store;
use super::value::{Item, item_size, item_to_json};
use super::write::{Prepared, Write, refuse_collection_metrics};
use crate::ApiError;

const RETURN_VALUES: [&str; 5] = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];

pub(super) fn put_item(store: &mut Store, request: &Request<'_>) -> Result<Value, ApiError> {
    check_return_values(request)?;
    write(store, request, Write::read_put(request)?)
}

pub(super) fn delete_item(store: &mut Store, request: &Request<'_>) -> Result<Value, ApiError> {
    check_return_values(request)?;
    write(store, request, Write::read_delete(request)?)
}

pub(super) fn update_item(store: &mut Store, request: &Request<'_>) -> Result<Value, ApiError> {
    write(store, request, Write::read_update(request)?)
}

pub(super) fn get_item(store: &Store, request: &Request<'_>) -> Result<Value, ApiError> {
    request.refuse(&["AttributesToGet"])?;
    let report = Report::read(request)?;
    let consistent = request.flag("ConsistentRead")?.unwrap_or(false);
    let name = request.table_name()?;
    let mut placeholders = Placeholders::read(request, &["ProjectionExpression"], &[])?;
    let projection = request
        .text("ProjectionExpression")?
        .map(|text| Projection::parse(text, &mut placeholders))
        .transpose()?;
    placeholders.finish()?;
    let key = request.item("Key")?;
    let table = store.table(name)?;
    let found = table.items.get(&table.schema.key_of_request(&key)?);
    let units = read_units(found.map_or(0, item_size), consistent);
    let mut answer = Map::new();
    if let Some(item) = found {
        let shown = projection.map_or_else(|| item.clone(), |projection| projection.of(item));
        answer.insert("Item".to_owned(), item_to_json(&shown));
    }
    Ok(with_capacity(answer, report.of(name, units)))
}

pub(super) fn with_capacity(mut answer: Map<String, Value>, capacity: Option<Value>) -> Value {
    if let Some(capacity) = capacity {
        answer.insert("ConsumedCapacity".to_owned(), capacity);
    }
    Value::Object(answer)
}

fn check_return_values(request: &Request<'_>) -> Result<(), ApiError> {
    match request.one_of("ReturnValues", &RETURN_VALUES)? {
        None | Some("NONE" | "ALL_OLD") => Ok(()),
        Some(_) => Err(validation("ReturnValues can only be ALL_OLD or NONE")),
    }
}

fn write(store: &mut Store, request: &Request<'_>, write: Write) -> Result<Value, ApiError> {
    refuse_collection_metrics(request)?;
    let report = Report::read(request)?;
    let wanted = request.one_of("ReturnValues", &RETURN_VALUES)?.unwrap_or("NONE");
    let table = store.table_mut(&write.table)?;
    let prepared = write.prepare(table)?;
    let mut answer = Map::new();
    if let Some(attributes) = returned(wanted, &write, &prepared).filter(|attributes| !attributes.is_empty()) {
        answer.insert("Attributes".to_owned(), item_to_json(&attributes));
    }
    let units = write_units(prepared.size());
    prepared.apply(table);
    Ok(with_capacity(answer, report.of(&write.table, units)))
}

fn returned(wanted: &str, write: &Write, prepared: &Prepared) -> Option<Item> {
    let item = if wanted.ends_with("OLD") {
        &prepared.old
    } else {
        &prepared.new
    }
    .as_ref()?;
    match wanted {
        "ALL_OLD" | "ALL_NEW" => Some(item.clone()),
        "UPDATED_OLD" | "UPDATED_NEW" => write.update().map(|update| update.part_of(item)),
        _ => None,
    }
}
