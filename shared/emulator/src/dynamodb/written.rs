//! What a request writes, for tests that watch requests.

use serde_json::{Map, Value};

/// The items that a request writes, in its order: the item of a `PutItem`, of each `Put` of a transaction, or of each statement.
///
/// A statement is taken to have parameters for all values, each behind the quoted name of its attribute, as in
/// `UPDATE "table" SET "n" = ? WHERE "id" = ?`. Its item has the attributes that it names, with their first values.
pub fn written(request: &Value) -> Vec<Value> {
    let list = |name: &str| request[name].as_array().into_iter().flatten();
    let put = request.get("Item").cloned().into_iter();
    let puts = list("TransactItems").filter_map(|action| action["Put"].get("Item").cloned());
    put.chain(puts).chain(list("Statements").map(of_statement)).collect()
}

fn of_statement(statement: &Value) -> Value {
    let text = statement["Statement"].as_str().unwrap_or_default();
    let parameters = statement["Parameters"].as_array().into_iter().flatten();
    let mut item = Map::new();
    for (before, value) in text.split('?').zip(parameters) {
        let name = before.rsplit(['"', '\'']).nth(1).unwrap_or_default();
        item.entry(name).or_insert_with(|| value.clone());
    }
    Value::Object(item)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_of_all_requests_that_put_are_found() {
        let item = |id: &str| json!({ "id": { "S": id } });
        assert_eq!(written(&json!({ "Item": item("a") })), [item("a")]);
        let actions = json!([{ "Put": { "Item": item("a") } }, { "Delete": { "Key": item("b") } }, { "Put": { "Item": item("c") } }]);
        assert_eq!(written(&json!({ "TransactItems": actions })), [item("a"), item("c")]);
        let insert = json!({
            "Statement": "INSERT INTO \"t\" VALUE {'id': ?, 'n': ?}",
            "Parameters": [{ "S": "a" }, { "N": "1" }],
        });
        let update = json!({
            "Statement": "UPDATE \"t\" SET \"n\" = ? REMOVE \"gone\" WHERE \"id\" = ? AND \"n\" = ?",
            "Parameters": [{ "N": "2" }, { "S": "b" }, { "N": "1" }],
        });
        let expected = [
            json!({ "id": { "S": "a" }, "n": { "N": "1" } }),
            json!({ "id": { "S": "b" }, "n": { "N": "2" } }),
        ];
        assert_eq!(written(&json!({ "Statements": [insert, update] })), expected);
        assert_eq!(written(&json!({ "Key": item("a") })), [json!(null); 0]);
    }
}
