//! The pages of no single crate. Their Rust blocks are compiled and run as this crate's documentation tests.
#![doc = include_str!("../../README.md")]

/// How to add a function and test its handler.
#[doc = include_str!("../../functions/README.md")]
pub mod functions {}
