//! `operator dlq`: dead-letter queues.

mod copies;
mod dead_letter;
mod filter;
mod groups;
mod list;
mod message;
mod reason;
mod recorded;
mod redrive;
mod route;
mod run;
mod scan;
mod summary;
mod target;

use clap::Subcommand;

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum DlqCommand {
    /// List the messages of a dead-letter queue by function and reason
    ///
    /// Reasons that differ only in values form one group: words with digits, long hexadecimal words, and texts in quotes,
    /// shown as …. Failures with a code form a group by that code. Identical copies of a message count once.
    ///
    /// A message that SQS moved states no reason: a process ended, or the message could not be dead-lettered, at its last
    /// receive. With --namespace, its record in the ledger is read and shown.
    ///
    /// Listing receives the messages: they are invisible to others while the command runs, and the receive count of
    /// each grows by one. They are visible again when it ends, also by Ctrl-C.
    #[command(verbatim_doc_comment)]
    List(list::ListArgs),
    /// Redrive dead letters to the queues they came from
    ///
    /// The queue is the one that the function's dead letter or SQS names, or else the only queue whose redrive policy
    /// names the dead-letter queue. For each dead letter, in this order:
    ///   - if its record in the ledger is REJECTED, delete the record; otherwise it would be rejected again;
    ///   - send the message with its producer's attributes, and with its identity in the attribute Consumer.Original,
    ///     so that a copy is recognised;
    ///   - delete the dead letter.
    ///
    /// An interrupted run loses nothing. Of identical copies a run sends one, and deletes the others. Messages that
    /// are dead-lettered again meanwhile stay in the queue. Exit status 1 if selected messages remain or may remain
    /// (all are in flight, or a FIFO queue was not seen completely), or if no message of the queue is selected.
    #[command(verbatim_doc_comment)]
    Redrive(redrive::RedriveArgs),
}

pub(crate) async fn run(command: DlqCommand) -> Outcome {
    match command {
        DlqCommand::List(args) => list::run(args).await,
        DlqCommand::Redrive(args) => redrive::run(args).await,
    }
}
