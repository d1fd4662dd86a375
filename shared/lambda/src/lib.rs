#![doc = include_str!("../README.md")]

mod answer;
mod event;
mod invocation;
mod process;
mod run;

pub use run::run;
