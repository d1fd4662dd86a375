//! `operator outgoing resend`: the outgoing messages of a completed record, sent again.

use std::process::ExitCode;
use std::slice;

use clap::Args;
use cli::{printable, say};
use consumer::Queues;
use idempotency::{Item, Key, OutgoingMessage, Record, Status, Timestamp};
use sqs::Sqs;

use super::selection::{Selected, check, select};
use crate::confirm::confirmed;
use crate::ledger::Ledger;
use crate::queue::Queue;
use crate::{Outcome, RecordArgs, error};

#[derive(Args)]
pub(crate) struct ResendArgs {
    #[command(flatten)]
    record: RecordArgs,
    /// Name or URL of the queue to send to instead; the record is corrected to it
    #[arg(long, value_name = "QUEUE")]
    to: Option<String>,
    /// Only the message at this position, from 0 [repeatable; default: all]
    #[arg(long = "message", value_name = "N")]
    positions: Vec<usize>,
    /// Show the bodies; they may contain secrets
    #[arg(long)]
    show_body: bool,
    /// Run without confirmation
    #[arg(long)]
    yes: bool,
    /// Show what would be sent, without changing anything
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: ResendArgs) -> Outcome {
    let RecordArgs { key, table, endpoint } = args.record;
    let id = key.record_id();
    let ledger = table.ledger(&endpoint).await?;
    let Some(item) = ledger.item(&key).await? else {
        return Err(format!("there is no record {id} in table {}", ledger.table).into());
    };
    let record = Record::from_item(&key, &item)?;
    check_record(&key, &record)?;
    let selected = select(&record.outgoing, &args.positions)?;
    selected.iter().for_each(|one| say!("{}", one.text(args.show_body)));
    let sqs = endpoint.sqs().await?;
    let to = Queue::find_any(&sqs, args.to.as_deref()).await?;
    let (to, queues) = (to.as_ref(), Sqs::new(sqs.client));
    check(&selected, to, &queues)?;
    let corrected = to.map(|to| corrected(&record, &selected, to));
    let corrected = corrected.filter(|corrected| *corrected != record.outgoing);
    let plan = plan(id, &selected, to, corrected.is_some());
    if args.dry_run {
        say!("would send {plan}");
        return Ok(ExitCode::SUCCESS);
    }
    if !confirmed(&format!("Send {plan}?"), args.yes)? {
        return Err("nothing was changed".into());
    }
    send_all(&selected, to, &queues).await?;
    if let (Some(corrected), Some(to)) = (corrected, to) {
        correct(&ledger, &key, &item, &corrected).await?;
        say!(
            "corrected the record: a redelivery of the incoming message sends to {}",
            to.name()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether it has messages to send. Warns if copies may no longer be recognised.
fn check_record(key: &Key, record: &Record) -> Result<(), String> {
    let id = key.record_id();
    if record.status != Status::Completed {
        return Err(format!(
            "{id} is {}: only a COMPLETED record has messages to send",
            record.status.word()
        ));
    }
    if record.outgoing.is_empty() {
        return Err(format!("{id} has no outgoing messages"));
    }
    if record.expiration_seconds < Timestamp::now().seconds() {
        eprintln!(
            "warning: the record has expired: a receiver whose records have expired too processes copies again, and the \
             incoming message, if it is redelivered, is processed as new"
        );
    }
    Ok(())
}

/// What is sent where, and whether the record is corrected.
fn plan(id: &str, selected: &[Selected], to: Option<&Queue>, corrects: bool) -> String {
    let (count, their) = match selected.len() {
        1 => ("1 message".to_owned(), "its"),
        several => (format!("{several} messages"), "their"),
    };
    let destination = to.map_or_else(|| format!("{their} own destination"), |queue| queue.name().to_owned());
    let correct = match corrects {
        true => format!(", and correct {their} destination in the record"),
        false => String::new(),
    };
    format!("{count} of {id} to {destination}{correct}")
}

/// The record's messages, the selected ones with this destination.
fn corrected(record: &Record, selected: &[Selected], to: &Queue) -> Vec<OutgoingMessage> {
    let mut outgoing = record.outgoing.clone();
    for one in selected {
        let message = outgoing[one.position].clone();
        outgoing[one.position] = message.with_queue_url(&to.url);
    }
    outgoing
}

/// Sends in order, up to the first that is not sent: later messages of its group must not overtake it.
async fn send_all(selected: &[Selected], to: Option<&Queue>, queues: &Sqs) -> Result<(), String> {
    for (sent, one) in selected.iter().enumerate() {
        let url = one.url(to);
        if let Err(why) = queues.send(url, slice::from_ref(&one.message)).await {
            let left: Vec<_> = selected[sent..].iter().map(|one| one.position.to_string()).collect();
            let fix = match to {
                Some(_) => "",
                None => ", or pass the right queue with --to",
            };
            let is_not = if why.unsent.is_empty() { "is not" } else { "may not be" };
            return Err(format!(
                "{} {is_not} sent: {}; {sent} of {} are sent, not sent: {}; fix the cause and run the command again{fix}",
                one.name(),
                error::chain(&why),
                selected.len(),
                left.join(", ")
            ));
        }
        say!("sent {} to {}", one.name(), printable(url));
    }
    Ok(())
}

async fn correct(ledger: &Ledger, key: &Key, seen: &Item, corrected: &[OutgoingMessage]) -> Result<(), String> {
    let why = match ledger.correct_outgoing(key, seen, corrected).await {
        Ok(true) => return Ok(()),
        Ok(false) => "it has changed since it was read".to_owned(),
        Err(error) => error::chain(&error),
    };
    Err(format!(
        "the messages are sent, but the record may still have the wrong destination: {why}; run the command again"
    ))
}
