#![doc = include_str!("../README.md")]

mod answer;
mod event;
mod invocation;
mod run;

pub use run::run;
