//! What to run, and where.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::aws;

/// The port that AWS emulators use.
pub const DEFAULT_PORT: u16 = 4566;

/// The account of everything here.
pub(crate) const ACCOUNT: &str = "000000000000";

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SAM template; the functions are built from the workspace it lies in.
    pub template: PathBuf,
    /// Overrides of the template's parameters. A parameter whose name ends in `Url`, and that has
    /// neither a value here nor a default, is the URL of a receiver of the stack.
    pub parameters: BTreeMap<String, String>,
    /// The loopback port to serve on; 0: any that is free.
    pub port: u16,
    /// SQS and DynamoDB to use instead of the emulated ones.
    pub endpoint_override: Option<EndpointOverride>,
    /// The folder that keeps the emulated tables and queues; `None`: they are in memory. Queues are in memory while the stack
    /// runs, and written by [`Stack::shutdown`](crate::Stack::shutdown).
    pub data: Option<PathBuf>,
    /// Where the functions' binaries come from.
    pub binaries: Binaries,
    /// The names of functions that run as workers: long-lived processes that poll the queue themselves, instead of Lambda
    /// functions with an event source mapping.
    pub workers: Vec<String>,
}

impl Options {
    /// On any free port, with the template's own parameters, everything emulated in memory, and functions that cargo builds.
    pub fn new(template: impl Into<PathBuf>) -> Self {
        Self {
            template: template.into(),
            parameters: BTreeMap::new(),
            port: 0,
            endpoint_override: None,
            data: None,
            binaries: Binaries::Build,
            workers: Vec::new(),
        }
    }
}

/// SQS and DynamoDB that are not the stack's own.
#[derive(Debug, Clone)]
pub struct EndpointOverride {
    /// URL of SQS.
    pub sqs: String,
    /// URL of DynamoDB.
    pub dynamodb: String,
    /// The account in the ARNs of its queues and tables.
    pub account: String,
}

impl EndpointOverride {
    /// Another emulator, which serves both at one URL.
    pub fn emulator(url: &str) -> Self {
        Self {
            sqs: url.to_owned(),
            dynamodb: url.to_owned(),
            account: ACCOUNT.to_owned(),
        }
    }

    /// AWS itself, in the environment's region and with its credentials.
    pub fn aws(account: &str) -> Self {
        let url = |service| format!("https://{service}.{}.amazonaws.com", aws::region());
        Self {
            sqs: url("sqs"),
            dynamodb: url("dynamodb"),
            account: account.to_owned(),
        }
    }
}

/// Where the functions' binaries come from.
#[derive(Debug, Clone)]
pub enum Binaries {
    /// Cargo builds all that the template names.
    Build,
    /// All that the template names are where `cargo lambda build` puts them: in `lambda`, in cargo's target directory.
    CargoLambda,
    /// All that the template names are in this directory, each as `<its name>/bootstrap`, where `cargo lambda build` puts it.
    In(PathBuf),
    /// They are here, by name; a function without one is not run, nor are its mappings.
    Only(BTreeMap<String, PathBuf>),
}
