//! What an error states: DynamoDB's own message names no table.

use std::error::Error;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, Update};
use idempotency::{Completion, DynamoDbStore, DynamoDbWrite, Ledger, StoreError};

use crate::dynamodb::DynamoDb;
use crate::store::{NOW, UnderTest, attempt, effect, fresh_key, soon};

/// The error and its sources, as the log shows them.
pub(crate) fn chain(error: &StoreError) -> String {
    let sources = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_refused_transaction_names_each_of_its_tables_once() {
    let store = DynamoDb::local().await;
    let id = || AttributeValue::S("id".to_owned());
    let put = Put::builder().table_name("orders").item("id", id());
    let update = Update::builder()
        .table_name("customers")
        .key("id", id())
        .update_expression("SET a = :id")
        .expression_attribute_values(":id", id());
    let delete = Delete::builder().table_name("baskets").key("id", id());
    let check = ConditionCheck::builder()
        .table_name("nope")
        .key("id", id())
        .condition_expression("attribute_exists(id)");
    let completion = Completion::new()
        .write(effect("one"))
        .write(effect("another"))
        .write(DynamoDbWrite::put(put.build().unwrap()))
        .write(DynamoDbWrite::update(update.build().unwrap()))
        .write(DynamoDbWrite::delete(delete.build().unwrap()))
        .write(DynamoDbWrite::check(check.build().unwrap()));
    let sealed = store.ledger().seal(attempt(&fresh_key(), NOW), completion).unwrap();
    let committed = store.ledger().complete(sealed, soon()).await;
    assert_eq!(
        chain(&committed.unwrap_err()),
        "the ledger refused the request: ResourceNotFoundException: Requested resource not found \
         (tables contract-ledger, contract-effects, orders, customers, baskets, nope)"
    );
}

#[tokio::test]
async fn a_failed_request_names_its_table() {
    let store = DynamoDb::local().await;
    let key = fresh_key();
    let missing = Ledger::new(DynamoDbStore::new(store.client().clone(), "nope"));
    let refused =
        "the ledger refused the request: ResourceNotFoundException: Requested resource not found (table nope)";
    assert_eq!(
        chain(&missing.claim(&attempt(&key, NOW), soon()).await.unwrap_err()),
        refused
    );
    assert_eq!(chain(&missing.store().connect(&key).await.unwrap_err()), refused);
    assert_eq!(chain(&missing.store().item(&key).await.unwrap_err()), refused);

    let unreachable = local::dynamodb_client("http://127.0.0.1:9").await;
    // Not of the ledger, which may reach its deadline before the first answer on a busy machine.
    let unanswered = DynamoDbStore::new(unreachable, "nope").item(&key).await;
    let unanswered = chain(&unanswered.unwrap_err());
    assert!(
        unanswered.starts_with("the ledger did not answer: dispatch failure (table nope): ")
            && unanswered.contains("Connection refused"),
        "{unanswered}"
    );
}
