#![doc = include_str!("../README.md")]

mod conditions;
mod declared;
mod deployed;
mod error;
mod foreach;
mod function;
/// Properties that fuzz targets check.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod globals;
mod intrinsics;
mod log;
mod mapping;
mod model;
mod node;
mod parameters;
mod properties;
mod queue;
mod read;
mod redrive;
mod resources;
mod scope;
mod table;
#[cfg(test)]
mod testing;
mod transform;
mod yaml;

pub use deployed::Resource;
pub use error::TemplateError;
pub use model::{Function, Mapping, Queue, Settings, Table, Template};
