//! Reads the SAM template, so that what runs locally is what is deployed.
//!
//! [`Template::read`] resolves the template's parameters, conditions and intrinsic functions and returns the queues, tables,
//! functions and mappings to create. What it doesn't support is an error that names the place, never silence;
//! what makes no difference on one machine (roles, alarms, tags, …) is listed in the code and skipped. Tests of a deployment
//! find that, too, in [`Template::resources`].
//!
//! ```no_run
//! use sam::{Settings, Template};
//!
//! let template = Template::read("template.yaml".as_ref(), &Settings::default())?;
//! for queue in &template.queues {
//!     println!("{}", queue.name);
//! }
//! # Ok::<(), sam::TemplateError>(())
//! ```

mod conditions;
mod deployed;
mod error;
mod function;
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
mod yaml;

pub use deployed::Resource;
pub use error::TemplateError;
pub use model::{Function, Mapping, Queue, Settings, Table, Template};
