//! The promises, held by changes that share a request: in the local stack's DynamoDB, or another emulator's.

use idempotency::{
    Answer, Change, Claim, Completion, DynamoDbStore, DynamoDbWrite, Key, Ledger, Record, Refusal, Store, StoreError,
    TooLarge,
};

use crate::dynamodb::{DynamoDb, lacks};
use crate::store::{NOW, UnderTest, attempt, complete, fresh_key, lease, soon};

conformance::store_tests! { start: InBatches::start().await, rounds: 20 }

/// A store each of whose changes is one of two that come at the same time.
struct Accompanied(DynamoDbStore);

impl Store for Accompanied {
    type Write = DynamoDbWrite;

    /// Beside the change runs a claim of a completed key. It takes two requests, as a claim does that meets a record.
    async fn change(&self, change: Change<'_, DynamoDbWrite>) -> Result<Answer, StoreError> {
        let companion = Ledger::new(self.0.clone());
        let key = fresh_key();
        let held = lease(&companion, attempt(&key, NOW)).await;
        complete(&companion, held, Completion::new()).await;
        let second = attempt(&key, NOW);
        let (answer, claim) = tokio::join!(self.0.change(change), companion.claim(&second, soon()));
        assert!(matches!(claim, Ok(Claim::NotFree(_))), "{claim:?}");
        answer
    }

    fn check(&self, key: &Key, record: &Record, writes: &[DynamoDbWrite]) -> Result<(), TooLarge> {
        self.0.check(key, record, writes)
    }
}

/// The ledger whose changes are accompanied.
struct InBatches {
    alone: DynamoDb,
    ledger: Ledger<Accompanied>,
}

impl InBatches {
    async fn start() -> Option<Self> {
        if lacks(&["statements"]) {
            return None;
        }
        let alone = DynamoDb::start().await;
        let ledger = Ledger::new(Accompanied(alone.store().clone()));
        Some(Self { alone, ledger })
    }
}

impl UnderTest for InBatches {
    type Store = Accompanied;

    fn ledger(&self) -> &Ledger<Accompanied> {
        &self.ledger
    }

    fn effect(&self, name: &str) -> DynamoDbWrite {
        self.alone.effect(name)
    }

    fn refused_effect(&self, name: &str, refusal: Refusal) -> DynamoDbWrite {
        self.alone.refused_effect(name, refusal)
    }

    async fn record(&self, key: &Key) -> Option<Record> {
        self.alone.record(key).await
    }

    async fn effects(&self, name: &str) -> usize {
        self.alone.effects(name).await
    }
}
