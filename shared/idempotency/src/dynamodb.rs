//! The store in a DynamoDB table.

mod batch;
mod expression;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod golden;
mod item;
mod map;
mod operate;
mod refused;
mod size;
mod store;
mod write;

pub use item::Item;
pub use store::DynamoDbStore;
pub use write::DynamoDbWrite;
