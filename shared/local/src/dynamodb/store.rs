//! The tables and what is in them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::error::table_not_found;
use super::schema::{Key, Schema};
use super::transaction::Tokens;
use super::value::Item;
use crate::ApiError;

/// Everything a request can read or change.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) tokens: Tokens,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: Schema,
    pub(super) items: BTreeMap<Key, Item>,
    pub(super) settings: Settings,
}

/// What a table is described by, beside its key and its items.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) id: String,
    pub(super) created: SystemTime,
    pub(super) on_demand: bool,
    /// Read and write capacity units as they were asked for.
    pub(super) throughput: (usize, usize),
    pub(super) deletion_protection: bool,
    /// Name of the TTL attribute, if TTL is enabled.
    pub(super) ttl_attribute: Option<String>,
}

impl Store {
    pub(super) fn table(&self, name: &str) -> Result<&Table, ApiError> {
        self.tables.get(name).ok_or_else(table_not_found)
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Result<&mut Table, ApiError> {
        self.tables.get_mut(name).ok_or_else(table_not_found)
    }
}
