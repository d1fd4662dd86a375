#![doc = include_str!("../README.md")]

mod answer;
mod event;
mod invocation;
mod odd;
mod process;
mod run;
mod triage;

pub use run::run;
