#![doc = include_str!("../README.md")]

mod config;
mod connector;
mod error;
mod https;
mod roots;
mod user_agent;

pub use config::{sdk_config, uses_container_credentials, worker_sdk_config, workstation_sdk_config};
pub use connector::CertificateError;
pub use error::service_error;
pub use https::{HttpsClient, https_client, load_roots};
pub use roots::RootsError;
pub use user_agent::UserAgent;
