//! The ledger of a case.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueEnum;
use emulator::ApiError;
use emulator::dynamodb::{FaultKind, Reply};
use idempotency::Key;
use serde_json::{Value, json};
use testing::TestStack;

use crate::Failed;
use crate::postgresql::{CLAIM, COMPLETION, Postgresql};
use crate::scenario::Scenario;

/// Where the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// DynamoDB, emulated
    Dynamodb,
    /// PostgreSQL
    Postgresql,
}

/// The ledger of one case.
pub(crate) enum Ledger {
    Dynamodb(Dynamodb),
    Postgresql(Box<Postgresql>),
}

/// That of the local stack.
pub(crate) struct Dynamodb {
    stack: Arc<TestStack>,
    /// Claims that were refused, if they are counted.
    refused: Arc<AtomicUsize>,
}

impl Ledger {
    pub(crate) async fn start(store: Store, stack: &Arc<TestStack>, scenario: Scenario) -> Result<Self, Failed> {
        Ok(match store {
            Store::Dynamodb => Self::Dynamodb(Dynamodb {
                stack: Arc::clone(stack),
                refused: Arc::default(),
            }),
            Store::Postgresql => {
                let postgresql = Postgresql::start(scenario.kills_database()).await?;
                Self::Postgresql(Box::new(postgresql))
            }
        })
    }

    /// The setting of a process.
    pub(crate) fn setting(&self) -> (&'static str, String) {
        match self {
            Self::Dynamodb(_) => ("IDEMPOTENCY_TABLE", "idempotency".to_owned()),
            Self::Postgresql(postgresql) => ("DATABASE_URL", postgresql.url()),
        }
    }

    /// The status of a key's record; empty if there is none.
    pub(crate) async fn status(&self, key: &Key) -> Result<String, Failed> {
        match self {
            Self::Dynamodb(Dynamodb { stack, .. }) => {
                let records = stack.stack.dynamodb().scan("idempotency");
                let record = records
                    .iter()
                    .find(|record| testing::text(record, "id") == key.record_id());
                Ok(record.map_or_else(String::new, |record| testing::text(record, "status")))
            }
            Self::Postgresql(postgresql) => postgresql.status(key).await,
        }
    }

    /// How many requests put a record, or claimed one.
    pub(crate) fn puts(&self) -> usize {
        match self {
            Self::Dynamodb(Dynamodb { stack, .. }) => usize::try_from(stack.requests("PutItem")).unwrap_or_default(),
            Self::Postgresql(postgresql) => postgresql.proxy.counted(CLAIM),
        }
    }

    /// Loses the replies to the next claim and to the next completion.
    pub(crate) fn lose_replies(&self) {
        match self {
            Self::Dynamodb(Dynamodb { stack, .. }) => {
                for status in ["INPROGRESS", "COMPLETED"] {
                    stack.inject("PutItem", Some(status), 1, FaultKind::LoseReply);
                }
            }
            Self::Postgresql(postgresql) => {
                for request in [CLAIM, COMPLETION] {
                    postgresql.lose_reply(request);
                }
            }
        }
    }

    /// Whether both were lost, and sent again.
    pub(crate) fn has_lost_replies(&self) -> bool {
        match self {
            Self::Dynamodb(_) => self.puts() >= 4,
            // A message that was only delivered again would be a duplicate, without a second completion.
            Self::Postgresql(postgresql) => {
                let proxy = &postgresql.proxy;
                proxy.lost() == 2 && [CLAIM, COMPLETION].iter().all(|request| proxy.counted(request) >= 2)
            }
        }
    }

    /// Counts refused claims from now on, while another claim holds the lease.
    pub(crate) fn count_refusals(&self) {
        let Self::Dynamodb(Dynamodb { stack, refused }) = self else {
            return;
        };
        let refused = Arc::clone(refused);
        // No other put is refused: the first holds the lease.
        let note = move |_: &Value, answer: &Result<Value, ApiError>| {
            refused.fetch_add(usize::from(answer.is_err()), Ordering::SeqCst);
        };
        stack.inject("PutItem", None, u32::MAX, FaultKind::AfterApply(Box::new(note)));
    }

    /// How many claims were refused: in PostgreSQL all but the first, for another that is granted is another effect.
    pub(crate) fn refused(&self) -> usize {
        match self {
            Self::Dynamodb(Dynamodb { refused, .. }) => refused.load(Ordering::SeqCst),
            Self::Postgresql(_) => self.puts().saturating_sub(1),
        }
    }

    /// Ends the lease of a killed process, as if its time had passed.
    pub(crate) async fn end_lease(&self, key: &Key) -> Result<(), Failed> {
        let stack = match self {
            Self::Dynamodb(Dynamodb { stack, .. }) => stack,
            Self::Postgresql(postgresql) => return postgresql.end_lease(key).await,
        };
        let request = json!({
            "TableName": "idempotency",
            "Key": { "id": { "S": key.record_id() } },
            "UpdateExpression": "SET in_progress_expiration = :past",
            "ConditionExpression": "#s = :in_progress",
            "ExpressionAttributeNames": { "#s": "status" },
            "ExpressionAttributeValues": { ":past": { "N": "1" }, ":in_progress": { "S": "INPROGRESS" } },
        });
        match stack.stack.dynamodb().call("UpdateItem", request) {
            Reply::Answer(Ok(_)) => Ok(()),
            Reply::Answer(Err(error)) => Err(format!("UpdateItem: {error:?}").into()),
            _ => Err("UpdateItem: no answer".into()),
        }
    }
}
