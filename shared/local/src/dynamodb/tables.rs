//! `CreateTable`, `DescribeTable`, `ListTables`, `DeleteTable`, `UpdateTimeToLive` and `DescribeTimeToLive`.

use std::ops::Bound;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{constraint, missing, service, validation};
use super::request::{Request, check_table_name, not_emulated};
use super::schema::{KeyAttribute, Schema};
use super::store::{Settings, Store, Table};
use super::value::item_size;
use crate::ApiError;

const MAX_LISTED: usize = 100;

pub(super) fn create_table(
    store: &mut Store,
    request: &Request<'_>,
    region: &str,
    now: SystemTime,
) -> Result<Value, ApiError> {
    let name = request.table_name()?;
    refuse_indexes_and_streams(request)?;
    let schema = read_schema(request)?;
    let settings = read_settings(request, now)?;
    if store.tables.contains_key(name) {
        return Err(service(
            "ResourceInUseException",
            format!("Table already exists: {name}"),
        ));
    }
    let table = Table {
        schema,
        items: Default::default(),
        settings,
    };
    let description = describe(name, &table, region);
    store.tables.insert(name.to_owned(), table);
    Ok(json!({ "TableDescription": description }))
}

pub(super) fn describe_table(store: &Store, request: &Request<'_>, region: &str) -> Result<Value, ApiError> {
    let name = request.table_name()?;
    Ok(json!({ "Table": describe(name, existing(store, name)?, region) }))
}

pub(super) fn list_tables(store: &Store, request: &Request<'_>) -> Result<Value, ApiError> {
    let limit = request.limit("Limit")?.unwrap_or(MAX_LISTED);
    if limit > MAX_LISTED {
        let rule = format!("Member must have value less than or equal to {MAX_LISTED}");
        return Err(constraint(Some(&limit.to_string()), "Limit", &rule));
    }
    let start = match request.text("ExclusiveStartTableName")? {
        Some(name) => {
            check_table_name(name, "ExclusiveStartTableName")?;
            Bound::Excluded(name)
        }
        None => Bound::Unbounded,
    };
    let mut names = store
        .tables
        .range::<str, _>((start, Bound::Unbounded))
        .map(|(name, _)| name);
    let page: Vec<_> = names.by_ref().take(limit).collect();
    let mut answer = json!({ "TableNames": page });
    if let (Some(last), Some(_)) = (page.last(), names.next()) {
        answer["LastEvaluatedTableName"] = json!(last);
    }
    Ok(answer)
}

pub(super) fn delete_table(store: &mut Store, request: &Request<'_>, region: &str) -> Result<Value, ApiError> {
    let name = request.table_name()?;
    let table = existing(store, name)?;
    if table.settings.deletion_protection {
        return Err(validation(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.",
        ));
    }
    let mut description = describe(name, table, region);
    description["TableStatus"] = json!("DELETING");
    store.tables.remove(name);
    Ok(json!({ "TableDescription": description }))
}

/// Only the setting is kept: nothing here ever expires. DynamoDB itself deletes an expired item days late, so a client
/// that relies on a prompt deletion is wrong, and one that looks at the item's time is right in both places.
pub(super) fn update_time_to_live(store: &mut Store, request: &Request<'_>) -> Result<Value, ApiError> {
    let table = request.table_name()?;
    let member = "TimeToLiveSpecification";
    let specification = request.object(member)?.ok_or_else(|| missing(member))?;
    let attribute = specification.required_text("AttributeName")?;
    let enabled = specification
        .flag("Enabled")?
        .ok_or_else(|| missing("timeToLiveSpecification.enabled"))?;
    if attribute.is_empty() || attribute.len() > 255 {
        let rule = "Member must have length between 1 and 255";
        return Err(constraint(
            Some(attribute),
            "timeToLiveSpecification.attributeName",
            rule,
        ));
    }
    let current = &mut store.table_mut(table)?.settings.ttl_attribute;
    match (&*current, enabled) {
        (Some(known), _) if known != attribute => Err(validation(format!(
            "TimeToLive is active on a different AttributeName: current AttributeName is {known}"
        ))),
        (Some(_), true) => Err(validation("TimeToLive is already enabled")),
        (None, false) => Err(validation("TimeToLive is already disabled")),
        _ => {
            *current = enabled.then(|| attribute.to_owned());
            Ok(json!({ member: { "AttributeName": attribute, "Enabled": enabled } }))
        }
    }
}

pub(super) fn describe_time_to_live(store: &Store, request: &Request<'_>) -> Result<Value, ApiError> {
    let name = request.table_name()?;
    let description = match &existing(store, name)?.settings.ttl_attribute {
        Some(attribute) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": attribute }),
        None => json!({ "TimeToLiveStatus": "DISABLED" }),
    };
    Ok(json!({ "TimeToLiveDescription": description }))
}

/// The operations on tables name the table that they miss; those on items don't.
fn existing<'a>(store: &'a Store, name: &str) -> Result<&'a Table, ApiError> {
    store.table(name).map_err(|mut error| {
        error.message = format!("{}: Table: {name} not found", error.message);
        error
    })
}

fn refuse_indexes_and_streams(request: &Request<'_>) -> Result<(), ApiError> {
    for indexes in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        if request.list(indexes)?.is_some_and(|indexes| !indexes.is_empty()) {
            return Err(not_emulated(indexes));
        }
    }
    match request.object("StreamSpecification")? {
        Some(stream) if stream.flag("StreamEnabled")? == Some(true) => Err(not_emulated("StreamSpecification")),
        _ => Ok(()),
    }
}

fn read_schema(request: &Request<'_>) -> Result<Schema, ApiError> {
    let definitions = read_pairs(request, "AttributeDefinitions", "AttributeType", &["B", "N", "S"])?;
    let keys = read_pairs(request, "KeySchema", "KeyType", &["HASH", "RANGE"])?;
    check_schema(&keys, &definitions)?;
    let mut attributes = keys.iter().filter_map(|(name, _)| {
        let (_, kind) = definitions.iter().find(|(defined, _)| defined == name)?;
        Some(KeyAttribute {
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
        })
    });
    let partition = attributes.next().ok_or_else(|| missing("KeySchema"))?;
    Ok(Schema {
        partition,
        sort: attributes.next(),
    })
}

/// A list of structures that each hold an `AttributeName` and one word more.
fn read_pairs<'a>(
    request: &Request<'a>,
    list: &str,
    word: &str,
    allowed: &[&str],
) -> Result<Vec<(&'a str, &'a str)>, ApiError> {
    let entries = request.list(list)?.ok_or_else(|| missing(list))?;
    let read = |entry| {
        let entry = Request::new(entry)?;
        let word = entry.one_of(word, allowed)?.ok_or_else(|| missing(word))?;
        Ok((entry.required_text("AttributeName")?, word))
    };
    entries.iter().map(read).collect()
}

fn check_schema(keys: &[(&str, &str)], definitions: &[(&str, &str)]) -> Result<(), ApiError> {
    let names = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let reason = match keys {
        [] => {
            return Err(constraint(
                Some("[]"),
                "KeySchema",
                "Member must have length greater than or equal to 1",
            ));
        }
        [_, _, _, ..] => {
            return Err(constraint(
                Some("[..]"),
                "KeySchema",
                "Member must have length less than or equal to 2",
            ));
        }
        _ if keys
            .iter()
            .any(|(key, _)| !definitions.iter().any(|(defined, _)| key == defined)) =>
        {
            format!(
                "One or more parameter values were invalid: Some index key attributes are not defined in \
             AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
                names(keys),
                names(definitions)
            )
        }
        [(one, _), (two, _)] if one == two => {
            "Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned()
        }
        [(_, first), ..] if *first != "HASH" => {
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned()
        }
        [_, (_, second)] if *second != "RANGE" => {
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type".to_owned()
        }
        _ if keys.len() != definitions.len() => "One or more parameter values were invalid: Number of attributes in \
             KeySchema does not exactly match number of attributes defined in AttributeDefinitions"
            .to_owned(),
        _ => return Ok(()),
    };
    Err(validation(reason))
}

fn read_settings(request: &Request<'_>, now: SystemTime) -> Result<Settings, ApiError> {
    let on_demand = request.one_of("BillingMode", &["PROVISIONED", "PAY_PER_REQUEST"])? == Some("PAY_PER_REQUEST");
    let throughput = request.object("ProvisionedThroughput")?;
    let units = |name| {
        throughput
            .map_or(Ok(None), |throughput| throughput.limit(name))
            .map(Option::unwrap_or_default)
    };
    let (read, write) = (units("ReadCapacityUnits")?, units("WriteCapacityUnits")?);
    if on_demand && throughput.is_some() {
        return Err(validation(
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be \
             specified when BillingMode is PAY_PER_REQUEST",
        ));
    }
    if !on_demand && (read == 0 || write == 0) {
        return Err(validation(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be \
             specified when BillingMode is PROVISIONED",
        ));
    }
    Ok(Settings {
        id: Uuid::new_v4().to_string(),
        created: now,
        on_demand,
        throughput: (read, write),
        deletion_protection: request.flag("DeletionProtectionEnabled")?.unwrap_or(false),
        ttl_attribute: None,
    })
}

/// A `TableDescription`. A table is `ACTIVE` at once.
fn describe(name: &str, table: &Table, region: &str) -> Value {
    let settings = &table.settings;
    let created = settings
        .created
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let key_types = ["HASH", "RANGE"];
    let keys: Vec<_> = table.schema.attributes().zip(key_types).collect();
    let key_schema = keys
        .iter()
        .map(|(key, kind)| json!({ "AttributeName": key.name, "KeyType": kind }));
    let definitions = keys
        .iter()
        .map(|(key, _)| json!({ "AttributeName": key.name, "AttributeType": key.kind }));
    let (read, write) = settings.throughput;
    let mut description = json!({
        "TableName": name,
        "TableArn": format!("arn:aws:dynamodb:{region}:000000000000:table/{name}"),
        "TableId": settings.id,
        "TableStatus": "ACTIVE",
        "CreationDateTime": created,
        "KeySchema": key_schema.collect::<Vec<_>>(),
        "AttributeDefinitions": definitions.collect::<Vec<_>>(),
        "ItemCount": table.items.len(),
        "TableSizeBytes": table.items.values().map(item_size).sum::<usize>(),
        "DeletionProtectionEnabled": settings.deletion_protection,
        "ProvisionedThroughput": {
            "NumberOfDecreasesToday": 0, "ReadCapacityUnits": read, "WriteCapacityUnits": write,
        },
    });
    if settings.on_demand {
        description["BillingModeSummary"] =
            json!({ "BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": created });
    }
    description
}
