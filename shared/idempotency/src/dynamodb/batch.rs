//! Changes of concurrent messages, gathered and sent as one `BatchExecuteStatement`, as a database's log commits them.
//!
//! No change waits for a timer, nor for the reply to another request: a batch goes out after the runtime had one turn. Each
//! statement is applied or refused by itself, with its own error under HTTP status 200, which the SDK does not send again
//! ([BatchExecuteStatement](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html)).

mod shared;
mod statement;

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementError;
use aws_sdk_dynamodb::types::{
    BatchStatementError, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, BatchStatementResponse,
};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use self::shared::copy;
use super::failure::{conflict, failure};
use super::refused::why;
use super::size;
use super::write::DynamoDbWrite;
use crate::{Answer, Change, Condition, Record, StoreError};

/// How many statements a request may have
/// ([quotas](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html)).
const MAX_STATEMENTS: usize = 25;

/// A larger record goes by itself: a request of 25 such records has 400 KB, as much as that of one item may have.
const MAX_RECORD_BYTES: usize = 16 * 1024;

/// Error codes of a request that would be refused again: there is no permission for statements, or no such operation.
const DENIED: [&str; 2] = ["AccessDeniedException", "UnknownOperationException"];

/// What became of a change that was offered to a batch.
pub(super) enum Outcome {
    /// The store's answer, or why there is none.
    Answered(Result<Answer, StoreError>),
    /// Nothing is known that a single request would not answer better: no other change came at the same time, or the
    /// statement was refused without the record that refused it.
    Undecided,
}

/// Changes to one table that wait for the next request.
#[derive(Debug)]
pub(super) struct Batches {
    client: Client,
    table: String,
    waiting: Mutex<Waiting>,
    /// Set once the table refuses batches as such, without permission for PartiQL, for example.
    refused: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<Entry>,
    /// The task that will send them.
    sender: Option<AbortHandle>,
}

#[derive(Debug)]
struct Entry {
    record_id: String,
    statement: BatchStatementRequest,
    reply: oneshot::Sender<Reply>,
}

/// The reply to a statement.
#[derive(Debug)]
enum Reply {
    /// There was no request, because there was no other statement.
    Alone,
    Applied,
    Refused(Box<BatchStatementError>),
    /// The whole request failed.
    Failed(Arc<StoreError>),
}

impl Batches {
    pub(super) fn new(client: Client, table: String) -> Self {
        // Names of tables have no other characters. An ARN, which single requests take too, has no place in a statement.
        let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        let refused = AtomicBool::new(!table.chars().all(plain));
        Self {
            client,
            table,
            waiting: Mutex::default(),
            refused,
        }
    }

    /// Makes a change together with others that are requested now.
    pub(super) async fn change(self: &Arc<Self>, change: &Change<'_, DynamoDbWrite>, record: &Record) -> Outcome {
        if self.refused.load(Ordering::Relaxed) || size::bytes(change.key, record) > MAX_RECORD_BYTES {
            return Outcome::Undecided;
        }
        if let Condition::Free(_) = change.condition {
            let insert = statement::insert(&self.table, change.key, record);
            match self.send(change, insert).await {
                // It states nothing about the record, which may be replaceable.
                Reply::Refused(error) if error.code() == Some(&Code::DuplicateItem) => {}
                reply => return self.outcome(change, reply),
            }
        }
        let update = statement::update(&self.table, change.key, &change.condition, record);
        let reply = self.send(change, update).await;
        self.outcome(change, reply)
    }

    async fn send(
        self: &Arc<Self>,
        change: &Change<'_, DynamoDbWrite>,
        statement: Result<BatchStatementRequest, BuildError>,
    ) -> Reply {
        let Ok(statement) = statement else {
            return Reply::Alone;
        };
        let (reply, replied) = oneshot::channel();
        self.enqueue(Entry {
            record_id: change.key.record_id().to_owned(),
            statement,
            reply,
        });
        let lost = || {
            Reply::Failed(Arc::new(StoreError::NoAnswer(
                "the task that sends it has ended".into(),
            )))
        };
        replied.await.unwrap_or_else(|_| lost())
    }

    fn enqueue(self: &Arc<Self>, entry: Entry) {
        let mut waiting = self.waiting();
        waiting.entries.push(entry);
        // One that has ended without sending belonged to a runtime that was shut down.
        if waiting.sender.as_ref().is_none_or(AbortHandle::is_finished) {
            waiting.sender = Some(tokio::spawn(Arc::clone(self).send_waiting()).abort_handle());
        }
    }

    /// Sends what waits, after the other tasks that are runnable now had a turn: on a runtime with one thread, all of them.
    async fn send_waiting(self: Arc<Self>) {
        tokio::task::yield_now().await;
        let waiting = std::mem::take(&mut *self.waiting());
        let entries = waiting.entries.into_iter();
        let mut batches = batches(entries.filter(|entry| !entry.reply.is_closed()));
        let last = batches.pop();
        for batch in batches {
            tokio::spawn(Arc::clone(&self).send_batch(batch));
        }
        if let Some(batch) = last {
            self.send_batch(batch).await;
        }
    }

    /// Sends a batch and distributes the replies. Once all of its changes are given up, so is the request. Until then it is sent
    /// for all of them: one that was given up may still be applied under its condition, as if its reply had been lost.
    async fn send_batch(self: Arc<Self>, batch: Vec<Entry>) {
        let (statements, mut replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|entry| (entry.statement, entry.reply)).unzip();
        if replies.len() == 1 {
            return reply_to_all(replies, || Reply::Alone);
        }
        let abandoned = async {
            for reply in &mut replies {
                reply.closed().await;
            }
        };
        let request = self.client.batch_execute_statement().set_statements(Some(statements));
        // First whether anyone waits: a process that was frozen must not go on with an old request.
        let Either::Right((sent, _)) = select(Box::pin(abandoned), Box::pin(request.send())).await else {
            return;
        };
        let sent = sent.map_err(|error| self.failed(error));
        let responses = sent.and_then(|sent| in_order(sent.responses.unwrap_or_default(), replies.len()));
        match responses {
            Ok(responses) => {
                for (reply, response) in replies.into_iter().zip(responses) {
                    let refused = response.error.map(|error| Reply::Refused(Box::new(error)));
                    // Its change may have been given up.
                    let _given_up = reply.send(refused.unwrap_or(Reply::Applied));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                reply_to_all(replies, || Reply::Failed(Arc::clone(&error)));
            }
        }
    }

    /// What the error of a whole request means.
    fn failed(&self, error: SdkError<BatchExecuteStatementError>) -> StoreError {
        let is_denied = error.code().is_some_and(|code| DENIED.contains(&code));
        let error = failure(error, &self.table, &[]);
        if is_denied {
            self.refuse(&error);
        }
        error
    }

    /// What a reply means for its change.
    fn outcome(&self, change: &Change<'_, DynamoDbWrite>, reply: Reply) -> Outcome {
        let error = match reply {
            Reply::Alone => return Outcome::Undecided,
            Reply::Applied => return Outcome::Answered(Ok(Answer::Applied)),
            Reply::Failed(error) if matches!(*error, StoreError::Refused(_)) => return Outcome::Undecided,
            Reply::Failed(error) => return Outcome::Answered(Err(copy(&error))),
            Reply::Refused(error) => error,
        };
        match (error.code(), error.item()) {
            (Some(Code::ConditionalCheckFailed), Some(item)) => Outcome::Answered(why(change, Some(item))),
            (Some(Code::TransactionConflict), _) => Outcome::Answered(Err(conflict(change.key))),
            (Some(Code::ProvisionedThroughputExceeded | Code::RequestLimitExceeded | Code::ThrottlingError), _) => {
                Outcome::Answered(Err(StoreError::Throttled(self.cause(&error))))
            }
            (Some(Code::InternalServerError), _) => Outcome::Answered(Err(StoreError::NoAnswer(self.cause(&error)))),
            (Some(Code::AccessDenied), _) => {
                self.refuse(&StoreError::Refused(self.cause(&error)));
                Outcome::Undecided
            }
            _ => Outcome::Undecided,
        }
    }

    fn cause(&self, error: &BatchStatementError) -> Box<dyn Error + Send + Sync> {
        let code = error.code().map_or("", Code::as_str);
        format!("{code}: {} (table {})", error.message().unwrap_or_default(), self.table).into()
    }

    /// From now on each change is a request of its own, which needs no permission for PartiQL.
    fn refuse(&self, error: &StoreError) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            let reason = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(
                reason,
                "the ledger refused a batch of changes, and gets single requests from now on: allow dynamodb:PartiQLInsert \
                 and dynamodb:PartiQLUpdate on its table"
            );
        }
    }

    /// Nothing panics while it is locked.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Splits changes into requests. Two statements for one record are never in the same: DynamoDB would refuse the whole request.
fn batches(entries: impl Iterator<Item = Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        let has_room = |batch: &&mut Vec<Entry>| {
            batch.len() < MAX_STATEMENTS && batch.iter().all(|other| other.record_id != entry.record_id)
        };
        match batches.iter_mut().find(has_room) {
            Some(batch) => batch.push(entry),
            None => batches.push(vec![entry]),
        }
    }
    batches
}

/// Responses belong to statements by their position alone.
fn in_order(
    responses: Vec<BatchStatementResponse>,
    statements: usize,
) -> Result<Vec<BatchStatementResponse>, StoreError> {
    match responses.len() == statements {
        true => Ok(responses),
        false => {
            let why = format!("{} responses to {statements} statements", responses.len());
            Err(StoreError::NoAnswer(why.into()))
        }
    }
}

/// Some changes may have been given up.
fn reply_to_all(replies: Vec<oneshot::Sender<Reply>>, reply: impl Fn() -> Reply) {
    replies.into_iter().for_each(|to| drop(to.send(reply())));
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::Config;
    use aws_sdk_dynamodb::config::BehaviorVersion;

    use super::*;
    use crate::{Attempt, Key, Timestamp};

    /// What it means for a claim that its statement is refused with this code; `None`: nothing.
    fn meaning(code: &str) -> Option<StoreError> {
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).build();
        let batches = Batches::new(Client::from_conf(config), "t".to_owned());
        let now = Timestamp::from_millis(1_700_000_000_000);
        let attempt = Attempt::new(Key::new("n", "k").unwrap(), now, now);
        let change = Change {
            key: attempt.key(),
            condition: Condition::Free(&attempt),
            record: None,
            writes: &[],
        };
        let error = BatchStatementError::builder().code(code.into()).build();
        match batches.outcome(&change, Reply::Refused(Box::new(error))) {
            Outcome::Answered(answer) => Some(answer.unwrap_err()),
            Outcome::Undecided => None,
        }
    }

    #[test]
    fn each_error_of_a_statement_is_transient_or_left_to_a_single_request() {
        for code in [
            "ProvisionedThroughputExceeded",
            "RequestLimitExceeded",
            "ThrottlingError",
        ] {
            assert!(matches!(meaning(code), Some(StoreError::Throttled(_))), "{code}");
        }
        assert!(matches!(
            meaning("TransactionConflict"),
            Some(StoreError::Conflict { .. })
        ));
        assert!(matches!(meaning("InternalServerError"), Some(StoreError::NoAnswer(_))));
        // Without the record that refused it, a failed condition states nothing.
        for code in ["ConditionalCheckFailed", "AccessDenied", "ValidationError", "new"] {
            assert!(meaning(code).is_none(), "{code}");
        }
    }

    #[test]
    fn responses_that_do_not_match_the_statements_are_no_answer() {
        let responses = |count| vec![BatchStatementResponse::builder().build(); count];
        assert_eq!(in_order(responses(2), 2).unwrap().len(), 2);
        for count in [0, 1, 3] {
            assert!(matches!(in_order(responses(count), 2), Err(StoreError::NoAnswer(_))));
        }
    }
}
