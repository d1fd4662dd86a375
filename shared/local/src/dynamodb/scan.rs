//! `Scan`: a table page by page, in the order of its keys.

use std::ops::Bound;

use serde_json::{Map, Value};

use super::capacity::{Report, read_units};
use super::error::validation;
use super::expression::{Condition, Placeholders, Projection};
use super::items::with_capacity;
use super::request::Request;
use super::schema::Key;
use super::store::{Store, Table};
use super::value::{Item, item_size, item_to_json, parse_item};
use crate::ApiError;

/// A page ends when this many bytes were read.
///
/// [Paginating the results](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.Pagination).
const MAX_PAGE_BYTES: usize = 1024 * 1024;

const UNSUPPORTED: [&str; 6] = [
    "AttributesToGet",
    "ScanFilter",
    "ConditionalOperator",
    "IndexName",
    "Segment",
    "TotalSegments",
];

const SELECTIONS: [&str; 4] = [
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
];

/// What a request asks of each item.
struct Query {
    filter: Option<Condition>,
    projection: Option<Projection>,
    only_count: bool,
}

/// Items as they were read, before the filter.
struct Page<'a> {
    items: Vec<&'a Item>,
    bytes: usize,
    /// Where the next page begins; `None` if the table's end was reached.
    last: Option<Item>,
}

pub(super) fn scan(store: &Store, request: &Request<'_>) -> Result<Value, ApiError> {
    request.refuse(&UNSUPPORTED)?;
    let report = Report::read(request)?;
    let consistent = request.flag("ConsistentRead")?.unwrap_or(false);
    let limit = request.limit("Limit")?;
    let query = Query::read(request)?;
    let name = request.table_name()?;
    let table = store.table(name)?;
    let page = read_page(table, start(table, request)?, limit.unwrap_or(usize::MAX));
    let units = read_units(page.bytes, consistent);
    Ok(with_capacity(query.answer(page), report.of(name, units)))
}

impl Query {
    fn read(request: &Request<'_>) -> Result<Self, ApiError> {
        let mut placeholders = Placeholders::read(
            request,
            &["ProjectionExpression", "FilterExpression"],
            &["FilterExpression"],
        )?;
        let member = "FilterExpression";
        let filter = request
            .text(member)?
            .map(|text| Condition::parse(member, text, &mut placeholders))
            .transpose()?;
        let projection = request
            .text("ProjectionExpression")?
            .map(|text| Projection::parse(text, &mut placeholders))
            .transpose()?;
        placeholders.finish()?;
        let select = request.one_of("Select", &SELECTIONS)?;
        check_selection(select, projection.is_some())?;
        Ok(Self {
            filter,
            projection,
            only_count: select == Some("COUNT"),
        })
    }

    fn answer(&self, page: Page<'_>) -> Map<String, Value> {
        let scanned = page.items.len();
        let matching = |item: &&&Item| self.filter.as_ref().is_none_or(|filter| filter.holds(item));
        let found: Vec<_> = page.items.iter().filter(matching).collect();
        let mut answer = Map::new();
        answer.insert("Count".to_owned(), found.len().into());
        answer.insert("ScannedCount".to_owned(), scanned.into());
        if !self.only_count {
            answer.insert(
                "Items".to_owned(),
                found.into_iter().map(|item| self.shown(item)).collect(),
            );
        }
        if let Some(last) = page.last {
            answer.insert("LastEvaluatedKey".to_owned(), item_to_json(&last));
        }
        answer
    }

    fn shown(&self, item: &Item) -> Value {
        match &self.projection {
            Some(projection) => item_to_json(&projection.of(item)),
            None => item_to_json(item),
        }
    }
}

fn check_selection(select: Option<&str>, projection: bool) -> Result<(), ApiError> {
    let reason = match (select, projection) {
        (Some("ALL_PROJECTED_ATTRIBUTES"), _) => {
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
        }
        (Some("SPECIFIC_ATTRIBUTES"), false) => {
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        }
        (Some("COUNT"), true) => "Cannot specify the ProjectionExpression when choosing to get only the Count",
        (Some("ALL_ATTRIBUTES"), true) => "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        _ => return Ok(()),
    };
    Err(validation(format!(
        "One or more parameter values were invalid: {reason}"
    )))
}

fn start(table: &Table, request: &Request<'_>) -> Result<Bound<Key>, ApiError> {
    let Some(json) = request.get("ExclusiveStartKey") else {
        return Ok(Bound::Unbounded);
    };
    let key = table.schema.key_of_request(&parse_item(json)?).map_err(|mut error| {
        error.message = format!("The provided starting key is invalid: {}", error.message);
        error
    })?;
    Ok(Bound::Excluded(key))
}

/// A page that ends at its limit says where to go on even if nothing follows, as DynamoDB does.
fn read_page(table: &Table, start: Bound<Key>, limit: usize) -> Page<'_> {
    let mut page = Page {
        items: Vec::new(),
        bytes: 0,
        last: None,
    };
    for (_, item) in table.items.range((start, Bound::Unbounded)) {
        page.items.push(item);
        page.bytes += item_size(item);
        if page.items.len() == limit || page.bytes >= MAX_PAGE_BYTES {
            page.last = Some(table.schema.key_attributes(item));
            break;
        }
    }
    page
}
