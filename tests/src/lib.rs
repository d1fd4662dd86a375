//! The README, whose Rust blocks are compiled and run as this crate's documentation tests.
#![doc = include_str!("../../README.md")]
