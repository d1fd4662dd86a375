//! The ledger in DynamoDB: the local stack's, or another emulator's.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use emulator::dynamodb::DynamoDb;
use idempotency::{Claim, DynamoDbLedger, Ledger, Standing};
use local::{Binaries, Options, Stack};

use crate::store::{AFTER_LEASE, EFFECTS, NOW, Store, attempt, fresh_key};
use crate::{concurrency, promises};

const LEDGER: &str = "contract-ledger";

pub(crate) struct DynamoDbStore {
    ledger: DynamoDbLedger,
    client: Client,
    /// None if `LEDGER_TEST_ENDPOINT` names another emulator.
    stack: Option<Stack>,
}

impl DynamoDbStore {
    pub(crate) async fn start() -> Self {
        match env::var("LEDGER_TEST_ENDPOINT") {
            Ok(endpoint) => Self::at(&endpoint, None).await,
            Err(_) => Self::local().await,
        }
    }

    /// The local stack's, whose faults are at our command.
    pub(crate) async fn local() -> Self {
        let options = Options {
            binaries: Binaries::Only(BTreeMap::new()),
            ..Options::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"))
        };
        let stack = Stack::start(options, tokio::sync::mpsc::unbounded_channel().0)
            .await
            .unwrap();
        let endpoint = stack.endpoint().to_owned();
        Self::at(&endpoint, Some(stack)).await
    }

    async fn at(endpoint: &str, stack: Option<Stack>) -> Self {
        let client = local::dynamodb_client(endpoint).await;
        for table in [LEDGER, EFFECTS] {
            create(&client, table).await;
        }
        Self {
            ledger: DynamoDbLedger::new(client.clone(), LEDGER),
            client,
            stack,
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn emulation(&self) -> &DynamoDb {
        self.stack.as_ref().expect("started with local()").dynamodb()
    }
}

async fn create(client: &Client, table: &str) {
    let id = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let created = client
        .create_table()
        .table_name(table)
        .attribute_definitions(id.build().unwrap())
        .key_schema(key.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    if let Err(error) = created {
        let error = error.into_service_error();
        assert!(error.is_resource_in_use_exception(), "{error:?}");
    }
    // Some emulators take their time.
    loop {
        let table = client
            .describe_table()
            .table_name(table)
            .send()
            .await
            .unwrap()
            .table
            .unwrap();
        if table.table_status.is_some_and(|status| status.as_str() == "ACTIVE") {
            return;
        }
        tokio::task::yield_now().await;
    }
}

impl Store for DynamoDbStore {
    type Ledger = DynamoDbLedger;

    fn ledger(&self) -> &DynamoDbLedger {
        &self.ledger
    }

    async fn effects(&self, name: &str) -> usize {
        let key = AttributeValue::S(name.to_owned());
        let item = self
            .client
            .get_item()
            .table_name(EFFECTS)
            .key("id", key)
            .consistent_read(true)
            .send()
            .await
            .unwrap()
            .item;
        item.map_or(0, |item| item["n"].as_n().unwrap().parse().unwrap())
    }
}

/// Whether the emulator lacks something, which is then said.
pub(crate) fn lacks(needs: &[&str]) -> bool {
    let without = env::var("LEDGER_TEST_WITHOUT").unwrap_or_default();
    let lacking = needs
        .iter()
        .find(|need| without.split(',').any(|lacks| lacks == **need));
    if let Some(need) = lacking {
        eprintln!("skipped: this emulator lacks {need}");
    }
    lacking.is_some()
}

macro_rules! promises {
    ($($promise:ident needs [$($need:literal),*])*) => {$(
        #[tokio::test]
        async fn $promise() {
            if !lacks(&[$($need),*]) {
                promises::$promise(&DynamoDbStore::start().await).await;
            }
        }
    )*};
}

promises! {
    a_key_is_granted_to_nobody_else_while_its_lease_lasts needs ["old-items"]
    a_lease_that_is_over_can_be_taken_and_then_its_holder_is_refused needs []
    a_released_key_is_free_at_once needs []
    an_extended_lease_lasts_to_its_new_end needs ["old-items"]
    whoever_was_taken_over_can_change_nothing needs ["old-items", "transactions"]
    whose_lease_is_over_but_was_not_taken_may_still_complete needs ["old-items"]
    a_completed_record_is_replaced_only_after_it_expired needs ["old-items"]
    a_completed_record_is_not_lost_to_a_late_failure_of_its_own_attempt needs ["old-items"]
    a_rejected_record_is_terminal_and_gives_its_reason needs ["old-items"]
    a_request_sent_again_is_answered_as_if_the_first_reply_had_come needs ["old-items"]
    a_transaction_sent_again_applies_its_writes_once needs ["old-items", "transactions"]
    of_two_commits_one_is_applied_and_the_other_learns_that_it_is_a_duplicate needs ["old-items", "transactions"]
    a_commit_waits_for_a_claim needs ["old-items", "transactions"]
    effect_and_record_happen_together_or_not_at_all needs ["transactions"]
    a_key_seen_with_another_payload_is_an_error_while_its_record_exists needs ["old-items"]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_claims_at_a_time_exactly_one_is_granted() {
    let rounds = if env::var_os("LEDGER_TEST_ENDPOINT").is_some() {
        20
    } else {
        200
    };
    concurrency::of_fifty_claims_at_a_time_exactly_one_is_granted(&Arc::new(DynamoDbStore::start().await), rounds)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_commits_at_a_time_exactly_one_is_applied() {
    if !lacks(&["old-items", "transactions"]) {
        let store = Arc::new(DynamoDbStore::start().await);
        concurrency::of_many_commits_at_a_time_exactly_one_is_applied(&store, 100).await;
    }
}

#[tokio::test]
async fn connecting_finds_a_table_that_is_not_there() {
    let store = DynamoDbStore::start().await;
    assert!(store.ledger.connect(&fresh_key()).await.is_ok());
    let error = DynamoDbLedger::new(store.client, "no-such-table")
        .connect(&fresh_key())
        .await
        .unwrap_err();
    assert!(matches!(error, idempotency::LedgerError::Refused(_)), "{error:?}");
}

/// Powertools leaves the end of the lease in a completed record, and writes no owner.
#[tokio::test]
async fn a_record_that_powertools_completed_is_a_duplicate_although_its_lease_is_over() {
    if lacks(&["old-items"]) {
        return;
    }
    let (store, key) = (DynamoDbStore::start().await, fresh_key());
    let number = |n: u64| AttributeValue::N(n.to_string());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = store
        .client
        .put_item()
        .table_name(LEDGER)
        .item("id", text(key.record_id()))
        .item("status", text("COMPLETED"))
        .item("expiration", number(AFTER_LEASE.seconds() + 3600))
        .item("in_progress_expiration", number(NOW.millis()))
        .item("data", text("{}"));
    put.send().await.unwrap();
    assert_eq!(
        store.ledger.claim(&attempt(&key, AFTER_LEASE)).await.unwrap(),
        Claim::Refused(Standing::Completed {
            data: Some("{}".to_owned()),
            outgoing: vec![]
        })
    );
}
