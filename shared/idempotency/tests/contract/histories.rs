//! One protocol: DynamoDB, which evaluates condition expressions, answers random histories as the pure function decides. The memory
//! store is compared in its own file.

use std::sync::Arc;

use crate::dynamodb::{DynamoDb, lacks};

#[tokio::test(flavor = "multi_thread")]
async fn all_stores_answer_every_history_alike() {
    if !lacks(&["old-items", "transactions"]) {
        let store = Arc::new(DynamoDb::start().await);
        conformance::store::every_history_is_answered_as_decided(&store, 256).await;
    }
}
