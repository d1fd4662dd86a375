//! Nothing but the pure function: what [`decide`] allows is stored.

use std::collections::HashMap;
use std::sync::Mutex;

use idempotency::{Answer, Change, Decision, DynamoDbWrite, Key, Ledger, Record, Store, StoreError, TooLarge, decide};

use crate::store::{UnderTest, name_of};

pub(crate) struct Pure(Ledger<Decided>);

#[derive(Default)]
pub(crate) struct Decided(Mutex<State>);

#[derive(Default)]
struct State {
    records: HashMap<String, Record>,
    effects: HashMap<String, usize>,
}

impl Pure {
    pub(crate) fn new() -> Self {
        Self(Ledger::new(Decided::default()))
    }

    pub(crate) fn record(&self, key: &Key) -> Option<Record> {
        self.0.store().0.lock().unwrap().records.get(key.record_id()).cloned()
    }
}

impl UnderTest for Pure {
    type Store = Decided;

    fn ledger(&self) -> &Ledger<Decided> {
        &self.0
    }

    async fn effects(&self, name: &str) -> usize {
        let state = self.0.store().0.lock().unwrap();
        state.effects.get(name).copied().unwrap_or_default()
    }
}

impl Store for Decided {
    type Write = DynamoDbWrite;

    async fn change(&self, change: Change<'_, DynamoDbWrite>) -> Result<Answer, StoreError> {
        let mut state = self.0.lock().unwrap();
        let id = change.key.record_id();
        if let Decision::Answer(answer) = decide(state.records.get(id), &change) {
            return Ok(answer);
        }
        match change.record {
            Some(record) => state.records.insert(id.to_owned(), record.clone()),
            None => state.records.remove(id),
        };
        for write in change.writes {
            *state.effects.entry(name_of(write)).or_default() += 1;
        }
        Ok(Answer::Applied)
    }

    fn check(&self, _: &Key, _: &Record, _: &[DynamoDbWrite]) -> Result<(), TooLarge> {
        Ok(())
    }
}
