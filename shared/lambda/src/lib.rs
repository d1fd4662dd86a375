#![doc = include_str!("../README.md")]

mod answer;
mod event;
/// Properties that fuzz targets check.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod invocation;
mod odd;
mod process;
mod run;
mod triage;

pub use run::run;
