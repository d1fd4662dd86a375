//! Nothing but the pure function: what [`decide`] allows is stored.

use std::collections::HashMap;
use std::sync::Mutex;

use idempotency::{Answer, Change, Decision, Key, Ledger, Record, Refusal, Store, StoreError, TooLarge, decide};

use super::{Effect, UnderTest};

/// The ledger that every other one is compared with.
pub(super) struct Pure(Ledger<Decided>);

/// What was decided so far.
#[derive(Default)]
pub(super) struct Decided(Mutex<State>);

#[derive(Default)]
struct State {
    records: HashMap<String, Record>,
    effects: HashMap<String, usize>,
}

impl Pure {
    pub(super) fn new() -> Self {
        Self(Ledger::new(Decided::default()))
    }
}

impl UnderTest for Pure {
    type Store = Decided;

    fn ledger(&self) -> &Ledger<Decided> {
        &self.0
    }

    fn effect(&self, name: &str) -> Effect {
        Effect::new(name)
    }

    fn refused_effect(&self, _: &str, _: Refusal) -> Effect {
        unimplemented!("random histories have no refused writes")
    }

    async fn effects(&self, name: &str) -> usize {
        let state = self.0.store().0.lock().unwrap();
        state.effects.get(name).copied().unwrap_or_default()
    }

    async fn record(&self, key: &Key) -> Option<Record> {
        self.0.store().0.lock().unwrap().records.get(key.record_id()).cloned()
    }
}

impl Store for Decided {
    type Write = Effect;

    async fn change(&self, change: Change<'_, Effect>) -> Result<Answer, StoreError> {
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
            *state.effects.entry(write.name().to_owned()).or_default() += 1;
        }
        Ok(Answer::Applied)
    }

    fn check(&self, _: &Key, _: &Record, _: &[Effect]) -> Result<(), TooLarge> {
        Ok(())
    }
}
