#![doc = include_str!("../README.md")]

mod check;
mod mutate;
mod spans;

pub use check::{SECRET, check, files, input, quotes};
pub use mutate::mutate;
