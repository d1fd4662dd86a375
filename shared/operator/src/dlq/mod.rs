//! `operator dlq`: dead-letter queues.

mod dead_letter;
mod filter;
mod list;
mod queue;
mod redrive;
mod route;
mod run;
mod scan;
mod sent;
mod summary;

use clap::Subcommand;

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum DlqCommand {
    /// List the messages of a dead-letter queue by function and reason
    ///
    /// Listing receives the messages: they are invisible to others while the command runs, and the receive count of
    /// each grows by one. They are visible again when it ends, also by Ctrl-C.
    #[command(verbatim_doc_comment)]
    List(list::ListArgs),
    /// Redrive dead letters to their source queue
    ///
    /// For each dead letter, in this order:
    ///   - if its record in the ledger is REJECTED, delete the record; otherwise it would be rejected again;
    ///   - send the message with its identity, so that a copy is recognised: the key in the attribute IdempotencyKey;
    ///     if SQS moved the message, its ID in OriginalMessageId; on a FIFO queue also its deduplication ID in
    ///     OriginalDeduplicationId;
    ///   - delete the dead letter.
    ///
    /// An interrupted run loses nothing. A run sends a key once: copies, and messages that are dead-lettered again
    /// meanwhile, stay in the queue. Exit status 1 if selected messages remain or may remain (all are in flight, or a
    /// FIFO queue was not seen completely), or if no message of the queue is selected.
    #[command(verbatim_doc_comment)]
    Redrive(redrive::RedriveArgs),
}

pub(crate) async fn run(command: DlqCommand) -> Outcome {
    match command {
        DlqCommand::List(args) => list::run(args).await,
        DlqCommand::Redrive(args) => redrive::run(args).await,
    }
}
