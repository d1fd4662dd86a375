//! The content of a template, resolved: plain values for the local stack to create.

use std::{collections::BTreeMap, time::Duration};

/// What the template is resolved against: everything that the deployment, not the template, decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Overrides of the template's parameters, by name.
    pub parameters: BTreeMap<String, String>,
    /// Where the services are whose URLs are parameters: a parameter whose name ends in `Url`, and that has neither an
    /// override nor a default, is this, a slash, and its name.
    pub urls: Option<String>,
    /// `AWS::Region`, also in every ARN.
    pub region: String,
    /// `AWS::AccountId`, also in every ARN and queue URL.
    pub account: String,
    /// Where the local stack listens, such as `http://127.0.0.1:4566`; queue URLs start with it.
    pub endpoint: String,
    /// `AWS::StackName`; goes before the logical ID of whatever the template gives no name.
    pub stack_name: String,
}

impl Default for Settings {
    /// No overrides, a stack named `local` in `us-east-1`, account `000000000000`, at the port that AWS emulators use.
    fn default() -> Self {
        Self {
            parameters: BTreeMap::new(),
            urls: None,
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            endpoint: "http://127.0.0.1:4566".to_owned(),
            stack_name: "local".to_owned(),
        }
    }
}

/// A SAM template, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The queues, each after the dead-letter queue it redrives to, so that they can be created in this order.
    pub queues: Vec<Queue>,
    /// The tables, in the template's order.
    pub tables: Vec<Table>,
    /// The functions, in the template's order.
    pub functions: Vec<Function>,
    /// The event source mappings; each names a function and a queue from this template.
    pub mappings: Vec<Mapping>,
    /// The parameters whose values are below [`Settings::urls`], sorted.
    pub urls: Vec<String>,
}

/// A queue to create.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name for SQS; a FIFO queue's ends with `.fifo`.
    pub name: String,
    /// Attributes as SQS's `CreateQueue` takes them: texts, `RedrivePolicy` as JSON.
    pub attributes: BTreeMap<String, String>,
}

impl Queue {
    pub(crate) fn is_fifo(&self) -> bool {
        self.attributes.contains_key("FifoQueue")
    }
}

/// A table to create.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name for DynamoDB.
    pub name: String,
    /// The `CreateTable` request. Its shape is checked here, its meaning (are the keys defined?) by `CreateTable`.
    pub create: serde_json::Value,
    /// The attribute that holds an item's expiry, if the table has a time to live.
    pub time_to_live: Option<String>,
}

/// A function to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name for Lambda.
    pub name: String,
    /// The cargo package and binary that implements it.
    pub binary: String,
    /// The template's variables, and those that Lambda derives from `LoggingConfig`. The rest of Lambda's own
    /// (`AWS_REGION`, `AWS_LAMBDA_FUNCTION_NAME`, …) is for the one who starts the process to add.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Memory in MiB; locally a variable of the function, not a limit.
    pub memory_mb: u32,
}

/// An event source mapping to run: which queue's messages go to which function, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The function's name.
    pub function: String,
    /// The queue's name.
    pub queue: String,
    /// Most messages in one invocation.
    pub batch_size: u32,
    /// How long to wait for a batch to fill.
    pub window: Duration,
    /// Most invocations at a time; `None` is no limit of the mapping's own.
    pub maximum_concurrency: Option<u32>,
    /// Whether the response's `batchItemFailures` are read. If not, a batch succeeds or fails as a whole.
    pub report_batch_item_failures: bool,
    /// Whether the mapping polls at all.
    pub enabled: bool,
}
