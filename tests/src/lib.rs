//! The pages that belong to no single crate. Their Rust blocks are documentation tests of this crate.
#![doc = include_str!("../../README.md")]

/// How to add a function and test its handler.
#[doc = include_str!("../../functions/README.md")]
pub mod functions {}
