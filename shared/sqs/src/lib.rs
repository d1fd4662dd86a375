#![doc = include_str!("../README.md")]

mod queues;

pub use queues::Sqs;
