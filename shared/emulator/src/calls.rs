//! The calls of each function: the permissions that they would need on AWS.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// A call of a function to a service, as IAM names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The function's name.
    pub function: String,
    /// The action that its role has to allow, such as `sqs:SendMessage`.
    pub action: String,
    /// The name of the queue or table.
    pub resource: String,
}

/// The calls of all functions so far, each once. A function is known by its session token.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeSet<Call>>);

impl Calls {
    /// Notes what a request needs. Nothing can make the set unsound, so a poisoned lock is no reason to stop.
    pub(crate) fn note(&self, function: &str, service: &str, operation: &str, request: &Value) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = match service {
            "sqs" => vec![(operation.trim_end_matches("Batch"), queue(request))],
            _ if operation == "TransactWriteItems" => transaction(request),
            _ if operation == "BatchExecuteStatement" => statements(request),
            _ => vec![(operation, table(request))],
        };
        calls.extend(needed.into_iter().map(|(action, resource)| Call {
            function: function.to_owned(),
            action: format!("{service}:{action}"),
            resource: resource.to_owned(),
        }));
    }

    pub(crate) fn all(&self) -> BTreeSet<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn queue(request: &Value) -> &str {
    // A message move task names its source by ARN.
    let names = ["QueueUrl", "SourceArn"];
    let name = names
        .into_iter()
        .find_map(|name| request[name].as_str())
        .unwrap_or_default();
    name.rsplit(['/', ':']).next().unwrap_or_default()
}

fn table(request: &Value) -> &str {
    request["TableName"].as_str().unwrap_or_default()
}

/// A transaction has no permission of its own, but needs those of what it holds
/// ([IAM with transactions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html)).
fn transaction(request: &Value) -> Vec<(&str, &str)> {
    let items = request["TransactItems"].as_array().into_iter().flatten();
    let parts = items.filter_map(Value::as_object).flatten();
    parts
        .map(|(part, request)| match part.as_str() {
            "Put" => ("PutItem", table(request)),
            "Update" => ("UpdateItem", table(request)),
            "Delete" => ("DeleteItem", table(request)),
            _ => ("ConditionCheckItem", table(request)),
        })
        .collect()
}

/// PartiQL has permissions of its own, by what a statement does
/// ([IAM with PartiQL](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html)).
fn statements(request: &Value) -> Vec<(&str, &str)> {
    let statements = request["Statements"].as_array().into_iter().flatten();
    let texts = statements.filter_map(|statement| statement["Statement"].as_str());
    texts
        .map(|text| {
            let verb = text.split_whitespace().next().unwrap_or_default();
            let action = match verb.to_ascii_uppercase().as_str() {
                "INSERT" => "PartiQLInsert",
                "UPDATE" => "PartiQLUpdate",
                "DELETE" => "PartiQLDelete",
                _ => "PartiQLSelect",
            };
            (action, text.split('"').nth(1).unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needed(service: &str, operation: &str, request: Value) -> Vec<String> {
        let calls = Calls::default();
        calls.note("work", service, operation, &request);
        let needed = calls.all().into_iter();
        needed
            .map(|call| format!("{} {}", call.action, call.resource))
            .collect()
    }

    #[test]
    fn a_batch_request_needs_the_permission_of_the_single_one() {
        let request = json!({"QueueUrl": "http://127.0.0.1:1/000000000000/jobs.fifo"});
        assert_eq!(
            needed("sqs", "SendMessageBatch", request),
            ["sqs:SendMessage jobs.fifo"]
        );
    }

    #[test]
    fn a_transaction_needs_the_permissions_of_what_it_holds() {
        let on = |table: &str| json!({"TableName": table});
        let items = json!([{"Put": on("a")}, {"Update": on("b")}, {"Delete": on("c")}, {"ConditionCheck": on("d")}]);
        let expected = [
            "dynamodb:ConditionCheckItem d",
            "dynamodb:DeleteItem c",
            "dynamodb:PutItem a",
            "dynamodb:UpdateItem b",
        ];
        let request = json!({"TransactItems": items});
        assert_eq!(needed("dynamodb", "TransactWriteItems", request), expected);
    }

    #[test]
    fn a_statement_needs_the_permission_of_what_it_does() {
        let statement = |text: &str| json!({"Statement": text});
        let request = json!({"Statements": [
            statement("INSERT INTO \"a\" VALUE {'id': ?}"), statement("update \"b\" SET n = ? WHERE id = ?"),
        ]});
        let expected = ["dynamodb:PartiQLInsert a", "dynamodb:PartiQLUpdate b"];
        assert_eq!(needed("dynamodb", "BatchExecuteStatement", request), expected);
    }

    #[test]
    fn a_malformed_request_is_noted_without_its_resource() {
        assert_eq!(needed("sqs", "SendMessage", json!([1])), ["sqs:SendMessage "]);
        assert_eq!(needed("dynamodb", "PutItem", json!(null)), ["dynamodb:PutItem "]);
        assert_eq!(
            needed("dynamodb", "TransactWriteItems", json!({"TransactItems": [1]})),
            [""; 0]
        );
    }
}
