//! The ledger, in the store that has it.

use idempotency::{DynamoDbStore, Item, Key, OutgoingMessage, Record, StoreError};
use postgres::PostgresStore;

/// The ledger that a command reads or changes.
pub(crate) struct Ledger {
    store: Store,
    /// The name of its table.
    pub(crate) table: String,
}

enum Store {
    DynamoDb(DynamoDbStore),
    PostgreSql(PostgresStore),
}

impl Ledger {
    pub(crate) fn on_dynamodb(store: DynamoDbStore, table: &str) -> Self {
        Self {
            store: Store::DynamoDb(store),
            table: table.to_owned(),
        }
    }

    pub(crate) fn on_postgresql(store: PostgresStore, table: &str) -> Self {
        Self {
            store: Store::PostgreSql(store),
            table: table.to_owned(),
        }
    }

    /// A key's record with every attribute; `None`: there is none.
    pub(crate) async fn item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        match &self.store {
            Store::DynamoDb(store) => store.item(key).await,
            Store::PostgreSql(store) => Ok(store.record(key).await?.map(|record| record.to_item(key))),
        }
    }

    /// A key's record; `None`: there is none.
    pub(crate) async fn record(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match &self.store {
            Store::DynamoDb(store) => store.record(key).await,
            Store::PostgreSql(store) => store.record(key).await,
        }
    }

    /// Deletes a record that is not completed; `false`: it has changed since it was seen.
    pub(crate) async fn delete_record(&self, key: &Key, seen: &Record) -> Result<bool, StoreError> {
        match &self.store {
            Store::DynamoDb(store) => store.delete_record(key, seen).await,
            Store::PostgreSql(store) => store.delete_record(key, seen).await,
        }
    }

    /// Replaces the outgoing messages of a completed record; `false`: it has changed since it was seen.
    pub(crate) async fn correct_outgoing(
        &self,
        key: &Key,
        seen: &Item,
        outgoing: &[OutgoingMessage],
    ) -> Result<bool, StoreError> {
        match &self.store {
            Store::DynamoDb(store) => store.correct_outgoing(key, seen, outgoing).await,
            Store::PostgreSql(store) => {
                let seen = Record::from_item(key, seen)?;
                store.correct_outgoing(key, &seen, outgoing).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use idempotency::{OwnerToken, Status, Timestamp};

    use super::*;

    #[test]
    fn a_row_is_read_as_the_item_that_it_would_be() {
        let key = Key::new("n", "k").unwrap();
        let full = Record {
            status: Status::Completed,
            owner: Some(OwnerToken::from("token".to_owned())),
            lease_end: Some(Timestamp::from_millis(1_700_000_000_123)),
            expiration_seconds: 1_700_000_000,
            fingerprint: Some("f".to_owned()),
            data: Some("{}".to_owned()),
            outgoing: vec![OutgoingMessage::new("queue", "{}").with_group("g")],
            reason: Some("why".to_owned()),
        };
        let bare = Record {
            owner: None,
            lease_end: None,
            fingerprint: None,
            data: None,
            outgoing: Vec::new(),
            reason: None,
            ..full.clone()
        };
        for record in [full, bare] {
            assert_eq!(Record::from_item(&key, &record.to_item(&key)).unwrap(), record);
        }
    }
}
