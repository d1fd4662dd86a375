//! `operator outgoing`: the outgoing messages of completed records.

mod resend;
mod selection;

use clap::Subcommand;

use crate::Outcome;

#[derive(Subcommand)]
pub(crate) enum OutgoingCommand {
    /// Show the outgoing messages of a COMPLETED record, and send them again
    ///
    /// A function sends these messages before it acknowledges the incoming message. If their destination is wrong,
    /// every redelivery of the incoming message fails, because the record keeps the destination.
    ///
    /// The messages are sent one by one, in order, with the body, attributes, key, deduplication ID and group that the
    /// function gives them at each redelivery; only the trace is left out. A receiver with a ledger recognises copies
    /// by their key, so the command can be run again. It stops at the first message that is not sent.
    ///
    /// With --to, the record is corrected once all selected messages are sent: from then on it names that queue.
    ///
    /// The incoming message is not touched. If it is still in its queue or dead-letter queue, its redelivery sends the
    /// messages once more, to the destinations that the record then has, and is acknowledged: let its queue redeliver
    /// it, use `dlq redrive`, or delete it. Without --to, a wrong destination stays, and each redelivery fails on it.
    ///
    /// Exit status 1 if a message is not sent, if the record is not corrected, or if there is nothing to send.
    #[command(verbatim_doc_comment)]
    Resend(resend::ResendArgs),
}

pub(crate) async fn run(command: OutgoingCommand) -> Outcome {
    match command {
        OutgoingCommand::Resend(args) => resend::run(args).await,
    }
}
