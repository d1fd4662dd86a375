#![doc = include_str!("../README.md")]

mod answer;
mod call;
mod client;
mod destination;
mod status;

pub use answer::Answer;
pub use call::Call;
pub use client::HttpClient;
