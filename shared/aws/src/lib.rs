#![doc = include_str!("../README.md")]

mod config;
mod error;
mod https;

pub use config::{sdk_config, uses_container_credentials, workstation_sdk_config};
pub use error::service_error;
pub use https::{HttpsClient, https_client};
