//! Records in the ledger, without a function.

use std::ops::Range;
use std::time::{Duration, Instant};

use emulator::dynamodb::DynamoDb;
use serde_json::{Value, json};

use crate::Failed;
use crate::stack::{TABLE, call};

/// The most items of one request.
const ITEMS: usize = 25;

/// After so long without a line a reader needs one.
const SILENCE: Duration = Duration::from_secs(2);

/// Puts records of these numbers into the ledger: copies of one that the function has written, with keys of the same form, which
/// no order has.
pub(super) fn fill(dynamodb: &DynamoDb, numbers: Range<u64>) -> Result<(), Failed> {
    if numbers.is_empty() {
        return Ok(());
    }
    let scanned = call(dynamodb, "Scan", json!({ "TableName": TABLE, "Limit": 1 }))?;
    let record = scanned["Items"].get(0).ok_or("the ledger has no record to copy")?;
    let (key, _) = record["id"]["S"]
        .as_str()
        .and_then(|id| id.rsplit_once('-'))
        .ok_or("a record without ID")?;
    let mut said = Instant::now();
    let all: Vec<_> = numbers.collect();
    for some in all.chunks(ITEMS) {
        let put = |number: &u64| put(record, &format!("{key}-f{number:011x}"));
        let requests: Vec<_> = some.iter().map(put).collect();
        call(
            dynamodb,
            "BatchWriteItem",
            json!({ "RequestItems": { TABLE: requests } }),
        )?;
        if said.elapsed() > SILENCE {
            eprintln!("{} records ...", some.last().copied().unwrap_or_default());
            said = Instant::now();
        }
    }
    Ok(())
}

fn put(record: &Value, id: &str) -> Value {
    let mut item = record.clone();
    item["id"] = json!({ "S": id });
    json!({ "PutRequest": { "Item": item } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ledger;

    #[test]
    fn records_are_copies_with_ids_of_their_own() {
        let dynamodb = ledger(Duration::ZERO).unwrap();
        let record = json!({ "id": { "S": "validate-order#a-1" }, "status": { "S": "COMPLETED" } });
        assert!(fill(&dynamodb, 0..60).is_err(), "nothing to copy");
        call(&dynamodb, "PutItem", json!({ "TableName": TABLE, "Item": record })).unwrap();
        fill(&dynamodb, 0..60).unwrap();
        fill(&dynamodb, 60..61).unwrap();
        let records = dynamodb.scan(TABLE);
        assert_eq!(records.len(), 62);
        assert!(records.iter().all(|record| record["status"]["S"] == "COMPLETED"));
    }
}
