#![doc = include_str!("../README.md")]

mod action;
mod effects;
mod handler;
mod hanging;
pub mod kind;

pub use action::{Action, Panicking, Script};
pub use effects::{Effects, Refused};
pub use handler::{Scripted, run};
pub use hanging::Hanging;
pub use kind::Kind;
