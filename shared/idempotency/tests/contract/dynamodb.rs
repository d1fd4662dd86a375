//! The ledger in DynamoDB: the local stack's, or another emulator's.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use emulator::dynamodb::DynamoDb as Emulation;
use idempotency::{Claim, DynamoDbStore, DynamoDbWrite, Existing, Key, Ledger, Record, Refusal, StoreError};
use local::{Binaries, Options, Stack};

use conformance::store as suite;

use crate::store::{AFTER_LEASE, EFFECTS, NOW, UnderTest, attempt, effect, fresh_key, refused_effect, soon};

const LEDGER: &str = "contract-ledger";

pub(crate) struct DynamoDb {
    ledger: Ledger<DynamoDbStore>,
    client: Client,
    /// None if `LEDGER_TEST_ENDPOINT` names another emulator.
    stack: Option<Stack>,
}

impl DynamoDb {
    pub(crate) async fn start() -> Self {
        match env::var("LEDGER_TEST_ENDPOINT") {
            Ok(endpoint) => Self::at(&endpoint, None).await,
            Err(_) => Self::local().await,
        }
    }

    /// The local stack's, in which tests inject faults.
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
            ledger: Ledger::new(DynamoDbStore::new(client.clone(), LEDGER)),
            client,
            stack,
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn store(&self) -> &DynamoDbStore {
        self.ledger.store()
    }

    pub(crate) fn emulation(&self) -> &Emulation {
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
    // Some emulators need time.
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

impl UnderTest for DynamoDb {
    type Store = DynamoDbStore;

    fn ledger(&self) -> &Ledger<DynamoDbStore> {
        &self.ledger
    }

    fn effect(&self, name: &str) -> DynamoDbWrite {
        effect(name)
    }

    fn refused_effect(&self, name: &str, refusal: Refusal) -> DynamoDbWrite {
        refused_effect(name, refusal)
    }

    async fn record(&self, key: &Key) -> Option<Record> {
        self.store().record(key).await.unwrap()
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

/// Whether the emulator lacks something, which is then printed.
pub(crate) fn lacks(needs: &[&str]) -> bool {
    let without = env::var("LEDGER_TEST_WITHOUT").unwrap_or_default();
    let lacking = needs
        .iter()
        .find(|need| without.split(',').any(|lacks| lacks == **need));
    if let Some(need) = lacking {
        let test = std::thread::current();
        let test = test.name().unwrap_or_default();
        eprintln!("skipped: {test}: this emulator lacks {need}");
    }
    lacking.is_some()
}

macro_rules! promises {
    ($($promise:ident needs [$($need:literal),*])*) => {$(
        #[tokio::test]
        async fn $promise() {
            if !lacks(&[$($need),*]) {
                suite::$promise(&Arc::new(DynamoDb::start().await)).await;
            }
        }
    )*};
}

promises! {
    a_leased_key_is_granted_to_no_other_attempt needs ["old-items"]
    a_lease_that_is_over_is_taken_and_its_holder_loses needs []
    a_released_key_is_free_at_once needs []
    an_extended_lease_lasts_to_its_new_end needs ["old-items"]
    an_extension_never_moves_an_end_backwards needs ["old-items"]
    a_zombie_can_change_nothing needs ["old-items", "transactions"]
    a_lease_that_is_over_but_not_taken_can_complete needs ["old-items"]
    a_completed_record_is_replaced_only_after_it_expires needs ["old-items"]
    a_completed_record_survives_its_own_late_failure needs ["old-items"]
    a_rejected_record_is_final_and_gives_its_reason needs ["old-items"]
    a_repeated_request_is_answered_like_the_first needs ["old-items"]
    a_repeated_transaction_applies_its_writes_once needs ["old-items", "transactions"]
    of_two_commits_the_second_is_a_duplicate needs ["old-items", "transactions"]
    a_commit_waits_for_a_lease needs ["old-items", "transactions"]
    writes_and_record_are_applied_together_or_not_at_all needs ["transactions"]
    a_key_with_another_payload_is_an_error needs ["old-items"]
    messages_of_a_claimed_completion_survive needs ["old-items", "transactions"]
    messages_of_a_commit_survive needs ["old-items", "transactions"]
    messages_stay_if_the_effect_existed needs ["old-items", "transactions"]
    a_claim_is_granted_despite_losses needs ["old-items"]
    writes_are_applied_once_despite_losses needs ["old-items", "transactions"]
    a_release_is_made_despite_losses needs ["old-items"]
    a_rejection_is_made_despite_losses needs ["old-items"]
    an_extension_is_made_despite_losses needs ["old-items"]
    a_duplicate_stays_one_despite_losses needs ["old-items", "transactions"]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_concurrent_claims_one_is_granted() {
    let rounds = if env::var_os("LEDGER_TEST_ENDPOINT").is_some() {
        20
    } else {
        200
    };
    suite::of_fifty_concurrent_claims_one_is_granted(&Arc::new(DynamoDb::start().await), rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_concurrent_commits_one_is_applied() {
    if !lacks(&["old-items", "transactions"]) {
        let store = Arc::new(DynamoDb::start().await);
        suite::of_ten_concurrent_commits_one_is_applied(&store, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_concurrent_takeovers_one_is_granted() {
    if !lacks(&["old-items"]) {
        suite::of_fifty_concurrent_takeovers_one_is_granted(&Arc::new(DynamoDb::start().await), 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_and_a_takeover_never_both_succeed() {
    if !lacks(&["old-items", "transactions"]) {
        suite::a_completion_and_a_takeover_never_both_succeed(&Arc::new(DynamoDb::start().await), 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_concurrent_copies_of_a_commit_all_are_answered() {
    if !lacks(&["old-items", "transactions"]) {
        suite::of_ten_concurrent_copies_of_a_commit_all_are_answered(&Arc::new(DynamoDb::start().await), 20).await;
    }
}

#[tokio::test]
async fn connecting_reports_a_missing_table() {
    let store = DynamoDb::start().await;
    assert!(store.store().connect(&fresh_key()).await.is_ok());
    let error = DynamoDbStore::new(store.client, "no-such-table")
        .connect(&fresh_key())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
}

/// Powertools leaves the end of the lease in a completed record, and writes no owner.
#[tokio::test]
async fn a_completed_record_of_powertools_is_a_duplicate() {
    if lacks(&["old-items"]) {
        return;
    }
    let (store, key) = (DynamoDb::start().await, fresh_key());
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
        store.ledger.claim(&attempt(&key, AFTER_LEASE), soon()).await.unwrap(),
        Claim::NotFree(Existing::Completed {
            data: Some("{}".to_owned()),
            outgoing: vec![]
        })
    );
}
