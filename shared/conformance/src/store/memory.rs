//! The store in memory under test, and its writes.

use idempotency::{Fault, Key, Ledger, MemoryStore, Record, Refusal, Write};

use super::UnderTest;

/// A write that is only counted, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    name: String,
    refusal: Option<Refusal>,
}

impl Effect {
    /// An effect of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            refusal: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Write for Effect {
    type Found = ();

    fn refusal(&self, _: Option<&()>) -> Refusal {
        self.refusal
            .clone()
            .unwrap_or_else(|| Refusal::Retry(format!("{} was refused", self.name)))
    }
}

/// The ledger in memory.
#[derive(Debug)]
pub struct Memory {
    ledger: Ledger<MemoryStore<Effect>>,
}

impl Memory {
    /// An empty ledger.
    pub fn new() -> Self {
        Self {
            ledger: Ledger::new(MemoryStore::new()),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl UnderTest for Memory {
    type Store = MemoryStore<Effect>;

    fn ledger(&self) -> &Ledger<MemoryStore<Effect>> {
        &self.ledger
    }

    fn effect(&self, name: &str) -> Effect {
        Effect::new(name)
    }

    /// The memory store tests no write's condition, so the refusal is injected.
    fn refused_effect(&self, name: &str, refusal: Refusal) -> Effect {
        let fault = Fault::WriteRefused { write: 1, found: None };
        self.ledger.store().inject(fault);
        Effect {
            name: name.to_owned(),
            refusal: Some(refusal),
        }
    }

    async fn effects(&self, name: &str) -> usize {
        let committed = self.ledger.store().committed();
        committed.iter().filter(|write| write.name == name).count()
    }

    async fn record(&self, key: &Key) -> Option<Record> {
        self.ledger.store().record(key)
    }
}
