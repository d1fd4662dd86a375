//! What an error says: the store's own words name no table.

use std::error::Error;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, Update};
use idempotency::{Completion, DynamoDbLedger, Ledger, LedgerError, Write};

use crate::dynamodb::DynamoDbStore;
use crate::store::{NOW, Store, attempt, effect, fresh_key};

/// The error and its sources, as a log has them.
fn told(error: &LedgerError) -> String {
    let sources = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_refused_transaction_is_told_with_each_of_its_tables_once() {
    let store = DynamoDbStore::local().await;
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
        .write(Write::put(put.build().unwrap()))
        .write(Write::update(update.build().unwrap()))
        .write(Write::delete(delete.build().unwrap()))
        .write(Write::check(check.build().unwrap()));
    let committed = store.ledger().commit(&attempt(&fresh_key(), NOW), &completion).await;
    assert_eq!(
        told(&committed.unwrap_err()),
        "the ledger refused the request: ResourceNotFoundException: Requested resource not found \
         (tables contract-ledger, contract-effects, orders, customers, baskets, nope)"
    );
}

#[tokio::test]
async fn a_single_request_is_told_with_the_ledgers_table_whether_refused_or_unanswered() {
    let store = DynamoDbStore::local().await;
    let key = fresh_key();
    let elsewhere = DynamoDbLedger::new(store.client().clone(), "nope");
    let refused =
        "the ledger refused the request: ResourceNotFoundException: Requested resource not found (table nope)";
    assert_eq!(told(&elsewhere.claim(&attempt(&key, NOW)).await.unwrap_err()), refused);
    assert_eq!(told(&elsewhere.connect(&key).await.unwrap_err()), refused);
    assert_eq!(told(&elsewhere.item(&key).await.unwrap_err()), refused);

    let nobody = local::dynamodb_client("http://127.0.0.1:9").await;
    let unanswered = DynamoDbLedger::new(nobody, "nope").claim(&attempt(&key, NOW)).await;
    let unanswered = told(&unanswered.unwrap_err());
    assert!(
        unanswered.starts_with("the ledger did not answer: dispatch failure (table nope): ")
            && unanswered.contains("Connection refused"),
        "{unanswered}"
    );
}
