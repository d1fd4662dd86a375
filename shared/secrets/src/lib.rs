#![doc = include_str!("../README.md")]

mod secret;
mod source;
mod value;

pub use secret::Secret;
pub use value::SecretValue;
