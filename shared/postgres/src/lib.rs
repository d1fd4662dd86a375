#![doc = include_str!("../README.md")]

mod condition;
mod connector;
mod failure;
mod fits;
mod found;
mod operate;
mod parameter;
mod pipeline;
mod pool;
mod record;
mod refused;
mod roots;
mod settings;
mod statements;
mod store;
mod sweep;
mod table;
mod transaction;
mod write;

pub use found::Found;
pub use parameter::Parameter;
pub use settings::{Settings, SettingsError};
pub use store::PostgresStore;
pub use table::SCHEMA;
pub use write::SqlWrite;
