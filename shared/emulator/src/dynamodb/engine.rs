//! The tables themselves: dynoxide, in memory or in a file.
//!
//! What it answers differently from AWS's documentation is corrected here, where it matters to a client.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use dynoxide::actions::scan::ScanRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::OpenError;
use super::tokens::{self, Tokens};
use crate::ApiError;

/// dynoxide's own region, which appears in its ARNs.
const ENGINE_ARN: &str = "arn:aws:dynamodb:dynoxide:";

/// Marks that dynoxide's deserializers put before a message to choose the error's class. More specific ones come first.
const MARKS: [(&str, Class); 5] = [
    ("SERIALIZATION_AS_READ:", Class::Serialization),
    ("SERIALIZATION:", Class::Serialization),
    ("VALIDATION_AS_READ:", Class::Validation),
    ("VALIDATION_REQUEST:", Class::Validation),
    ("VALIDATION:", Class::Validation),
];

#[derive(Clone, Copy)]
enum Class {
    Serialization,
    Validation,
}

/// All tables of one region. Every request is atomic: one lock is held while it runs.
pub(super) struct Engine {
    region: String,
    database: Database,
    /// Locked while a transaction with a token runs, so that another with the same token waits for its answer.
    tokens: Mutex<Tokens>,
}

impl Engine {
    pub(super) fn in_memory(region: &str) -> Result<Self, OpenError> {
        Self::of(region, Database::memory())
    }

    pub(super) fn in_file(region: &str, path: &Path) -> Result<Self, OpenError> {
        Self::of(region, Database::new(&path.to_string_lossy()))
    }

    fn of(region: &str, database: Result<Database, DynoxideError>) -> Result<Self, OpenError> {
        Ok(Self {
            region: region.to_owned(),
            // What follows its first sentence is for dynoxide's own users.
            database: database.map_err(|error| OpenError(first_sentence(&error.to_string())))?,
            tokens: Mutex::default(),
        })
    }

    /// Applies a request, or answers the error that AWS would.
    ///
    /// It blocks while it runs: microseconds in memory, a write to the file system with a file.
    pub(super) fn apply(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let database = &self.database;
        match operation {
            "PutItem" => run(request, |request| database.put_item(request)),
            "GetItem" => run(request, |request| database.get_item(request)),
            "UpdateItem" => run(request, |request| database.update_item(request)),
            "DeleteItem" => run(request, |request| database.delete_item(request)),
            "Query" => run(request, |request| database.query(request)),
            "Scan" => run(request, |request| database.scan(request)),
            "BatchGetItem" => run(request, |request| database.batch_get_item(request)),
            "BatchWriteItem" => run(request, |request| database.batch_write_item(request)),
            "TransactGetItems" => run(request, |request| database.transact_get_items(request)),
            "TransactWriteItems" => self.transact(request),
            "ExecuteStatement" => run(request, |request| database.execute_statement(request)),
            "BatchExecuteStatement" => run(request, |request| database.batch_execute_statement(request)),
            "ExecuteTransaction" => run(request, |request| database.execute_transaction(request)),
            _ => self.of_tables(operation, request).map(|answer| self.localized(answer)),
        }
    }

    fn transact(&self, request: &Value) -> Result<Value, ApiError> {
        let apply = |request: &Value| run(request, |request| self.database.transact_write_items(request));
        match tokens::token(request) {
            // A panic while it is locked loses a repetition's answer, no more.
            Some(token) => {
                let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens.answer(token, request, apply)
            }
            None => apply(request),
        }
    }

    fn of_tables(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let database = &self.database;
        match operation {
            "CreateTable" => run(request, |request| database.create_table(request)),
            "DescribeTable" => run(request, |request| database.describe_table(request)),
            "UpdateTable" => run(request, |request| database.update_table(request)),
            "DeleteTable" => run(request, |request| database.delete_table(request)),
            "ListTables" => run(request, |request| database.list_tables(request)),
            "UpdateTimeToLive" => run(request, |request| database.update_time_to_live(request)),
            "DescribeTimeToLive" => run(request, |request| database.describe_time_to_live(request)),
            _ => Err(unknown_operation(operation)),
        }
    }

    /// The answer with this region in its ARNs.
    fn localized(&self, mut answer: Value) -> Value {
        match &mut answer {
            Value::String(text) => {
                if let Some(rest) = text.strip_prefix(ENGINE_ARN) {
                    *text = format!("arn:aws:dynamodb:{}:{rest}", self.region);
                }
            }
            Value::Array(values) => values
                .iter_mut()
                .for_each(|value| *value = self.localized(value.take())),
            Value::Object(members) => {
                members
                    .values_mut()
                    .for_each(|value| *value = self.localized(value.take()));
            }
            _ => {}
        }
        answer
    }

    /// All items of a table in the order of their keys' text; none if there is no such table.
    pub(super) fn items(&self, table: &str) -> Vec<Value> {
        let keys = self.keys(table);
        let mut items = self.pages(table);
        items.sort_by_cached_key(|item| keys.iter().map(|key| item[key].to_string()).collect::<Vec<_>>());
        items
    }

    fn keys(&self, table: &str) -> Vec<String> {
        let described = self.of_tables("DescribeTable", &json!({ "TableName": table }));
        let described = described.unwrap_or_default();
        let schema = described["Table"]["KeySchema"].as_array().into_iter().flatten();
        let names = schema.filter_map(|key| key["AttributeName"].as_str());
        names.map(str::to_owned).collect()
    }

    fn pages(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut request = json!({ "TableName": table });
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let Ok(mut page) = run(&request, |request: ScanRequest| self.database.scan(request)) else {
                return items;
            };
            if let Value::Array(page) = page["Items"].take() {
                items.extend(page);
            }
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }
}

fn first_sentence(message: &str) -> String {
    message.split(". ").next().unwrap_or_default().to_owned()
}

fn run<Request: DeserializeOwned, Answer: Serialize>(
    request: &Value,
    apply: impl FnOnce(Request) -> Result<Answer, DynoxideError>,
) -> Result<Value, ApiError> {
    if !request.is_object() {
        return Err(serialization("the request is no JSON object"));
    }
    let request = serde_json::from_value(request.clone()).map_err(|error| malformed(&error.to_string()))?;
    let answer = apply(request).map_err(|error| api_error(&error))?;
    serde_json::to_value(answer).map_err(|error| serialization(error.to_string()))
}

/// Why a request can't be read, in the class that AWS answers: a missing or impossible value is a validation error, another
/// JSON type a serialization error.
fn malformed(message: &str) -> ApiError {
    for (mark, class) in MARKS {
        if let Some(message) = message.strip_prefix(mark) {
            return match class {
                Class::Serialization => serialization(message),
                Class::Validation => validation(message),
            };
        }
    }
    let impossible = [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "AttributeValue",
    ];
    match impossible.iter().any(|part| message.contains(part)) {
        true => validation(message),
        false => serialization(message),
    }
}

fn api_error(error: &DynoxideError) -> ApiError {
    let mut members: Map<_, _> = serde_json::from_str(&error.to_json()).unwrap_or_default();
    for member in ["__type", "message", "Message"] {
        members.remove(member);
    }
    ApiError {
        status: error.status_code(),
        code: error.error_type().to_owned(),
        message: error.to_string(),
        members,
    }
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("com.amazon.coral.validate#ValidationException", message)
}

fn serialization(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("com.amazon.coral.service#SerializationException", message)
}

fn unknown_operation(operation: &str) -> ApiError {
    ApiError::bad_request(
        "com.amazon.coral.service#UnknownOperationException",
        format!("{operation} is not emulated; point --endpoint-url at another emulator or at AWS"),
    )
}
