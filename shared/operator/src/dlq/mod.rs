//! `operator dlq`: dead-letter queues.

mod chosen;
mod course;
mod letter;
mod list;
mod queue;
mod reading;
mod redrive;
mod send;
mod sent;
mod sum;

use clap::Subcommand;

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum DlqCommand {
    /// Show what is in a dead-letter queue, by function and reason
    ///
    /// To look is to receive: while it looks, the messages are hidden from others, and each has been received once
    /// more. They are visible again when it ends, by Ctrl-C too.
    #[command(verbatim_doc_comment)]
    List(list::ListArgs),
    /// Send dead letters back to the queue they came from
    ///
    /// For each, in this order:
    ///   - if its record in the ledger says REJECTED, the record is deleted, or it would be rejected again;
    ///   - it is sent, with what it is known by, so that a copy of it is recognised: its key in the attribute
    ///     IdempotencyKey, or of one that SQS moved its ID in OriginalMessageId, and on a FIFO queue its
    ///     deduplication ID in OriginalDeduplicationId;
    ///   - it is deleted here.
    ///
    /// Broken off in between, nothing is lost. What is rejected again meanwhile, or is a copy, is left: a run sends
    /// the same work once. Exit status 1 if some that were chosen are still here, or may be: others hold all there is,
    /// or of a FIFO queue not all is seen. And if nothing is chosen of what there is.
    #[command(verbatim_doc_comment)]
    Redrive(redrive::RedriveArgs),
}

pub(crate) async fn run(command: DlqCommand) -> Outcome {
    match command {
        DlqCommand::List(args) => list::run(args).await,
        DlqCommand::Redrive(args) => redrive::run(args).await,
    }
}
