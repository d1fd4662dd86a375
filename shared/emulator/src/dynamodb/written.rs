//! What a request writes, for tests that watch requests.

use serde_json::{Map, Value, json};

/// The items that a request writes, in its order: the item of a `PutItem`, of each `Put` of a transaction, or of each statement.
///
/// A statement is taken to have a parameter or a word for each value, behind the name of its attribute, as in
/// `UPDATE "table" SET "n" = ? SET m = 'word' WHERE id = ?`. Its item has the attributes that it names, with their first values.
pub fn written(request: &Value) -> Vec<Value> {
    let list = |name: &str| request[name].as_array().into_iter().flatten();
    let put = request.get("Item").cloned().into_iter();
    let puts = list("TransactItems").filter_map(|action| action["Put"].get("Item").cloned());
    put.chain(puts).chain(list("Statements").map(of_statement)).collect()
}

fn of_statement(statement: &Value) -> Value {
    let mut rest = statement["Statement"].as_str().unwrap_or_default();
    let mut parameters = statement["Parameters"].as_array().into_iter().flatten();
    let (mut item, mut name) = (Map::new(), "");
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    while let Some(start) = rest.find(|character| is_of_name(character) || "\"'?".contains(character)) {
        rest = &rest[start..];
        let quote = rest.chars().next().filter(|character| "\"'?".contains(*character));
        let from = usize::from(quote.is_some());
        let length = rest[from..].find(|character| match quote {
            Some('?') => true,
            Some(quote) => character == quote,
            None => !is_of_name(character),
        });
        let (word, after) = rest[from..].split_at(length.unwrap_or(rest.len() - from));
        rest = after.strip_prefix(['"', '\'']).unwrap_or(after);
        let value = match quote {
            Some('?') => parameters.next().cloned(),
            Some('\'') if !rest.trim_start().starts_with(':') => Some(json!({ "S": word })),
            _ => None,
        };
        match value {
            Some(value) => drop(item.entry(name).or_insert(value)),
            None => name = word,
        }
    }
    Value::Object(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_all_requests_that_put_are_found() {
        let item = |id: &str| json!({ "id": { "S": id } });
        assert_eq!(written(&json!({ "Item": item("a") })), [item("a")]);
        let actions = json!([{ "Put": { "Item": item("a") } }, { "Delete": { "Key": item("b") } }, { "Put": { "Item": item("c") } }]);
        assert_eq!(written(&json!({ "TransactItems": actions })), [item("a"), item("c")]);
        let insert = json!({
            "Statement": "INSERT INTO \"t\" VALUE {'id': ?,'m':'word','n': ?}",
            "Parameters": [{ "S": "a" }, { "N": "1" }],
        });
        let update = json!({
            "Statement": "UPDATE \"t\" SET \"n\" = ? SET \"m\"='word' REMOVE gone WHERE id=? AND \"n\" = ? AND m='other'",
            "Parameters": [{ "N": "2" }, { "S": "b" }, { "N": "1" }],
        });
        let expected = [
            json!({ "id": { "S": "a" }, "n": { "N": "1" }, "m": { "S": "word" } }),
            json!({ "id": { "S": "b" }, "n": { "N": "2" }, "m": { "S": "word" } }),
        ];
        assert_eq!(written(&json!({ "Statements": [insert, update] })), expected);
        assert_eq!(written(&json!({ "Key": item("a") })), [json!(null); 0]);
    }
}
