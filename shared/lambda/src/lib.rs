#![doc = include_str!("../README.md")]

mod event;
mod run;

pub use run::run;
