//! `operator dlq list`: the messages of a dead-letter queue.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cli::{StopFlag, printable, say};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use console::Term;
use idempotency::Timestamp;
use serde_json::{Value, json};

use super::groups::{Example, Group, Groups};
use super::reason::listed;
use super::recorded::Lookup;
use super::scan::Scan;
use crate::endpoint::EndpointArgs;
use crate::queue::{Queue, State};
use crate::table::TableArgs;
use crate::{Outcome, time};

/// Why a FIFO queue may have more messages than were seen.
pub(super) const FIFO_CAVEAT: &str =
    "A FIFO queue may hold more than was seen: while messages of a group are in flight, SQS delivers no others of it.";

/// What to do about messages that SQS moved.
const NO_REASON_HINT: &str = "Messages that the redrive policy moved have no reason: at their last receive their process ended, or they could not be \
     dead-lettered. Pass --namespace NAME (the function) to see what their records state.";

#[derive(Args)]
pub(crate) struct ListArgs {
    /// The dead-letter queue's name, or its URL
    queue: String,
    /// Show every message, instead of one example per group
    #[arg(long)]
    all: bool,
    /// The function of messages that name none (SQS moved them), to show what their records state
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Show the beginning of one body per group; it may contain secrets
    #[arg(long)]
    show_body: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl ListArgs {
    /// The records to read, if a namespace is given.
    async fn lookup(&self) -> Result<Option<Lookup>, String> {
        let Some(namespace) = self.namespace.clone() else {
            return Ok(None);
        };
        let ledger = self.table.ledger(&self.endpoint).await?;
        Ok(Some(Lookup { ledger, namespace }))
    }
}

pub(crate) async fn run(args: ListArgs) -> Outcome {
    let queue = Queue::find(&args.endpoint.sqs().await?, &args.queue).await?;
    let lookup = args.lookup().await?;
    let state = queue.state().await?;
    warn(&queue, &state);
    let stop = StopFlag::listen()?;
    let mut scan = Scan::new(&queue, &state, Duration::ZERO);
    let mut groups = Groups::new(args.all);
    let read = read(&mut scan, &stop, &mut groups, lookup.as_ref(), args.show_body).await;
    let seen = scan.seen();
    // Before anything else, also after an error: other consumers wait for these messages.
    scan.release().await?;
    read?;
    if let Some(code) = stop.requested() {
        return Ok(code);
    }
    let now = Timestamp::now();
    if args.json {
        say!("{:#}", as_json(&queue, &state, seen, &groups, now));
    } else {
        if seen > 0 {
            let width = Term::stdout().size_checked().map(|(_, columns)| columns);
            say!("{}\n", table(&groups, width, now));
        }
        say!("{}", summary(&queue, &state, seen, groups.copies));
        if lookup.is_none() && groups.lack_reasons {
            say!("{NO_REASON_HINT}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Warns about a queue that loses messages by being read.
pub(super) fn warn(queue: &Queue, state: &State) {
    if state.has_redrive_policy {
        eprintln!(
            "warning: {} has a redrive policy of its own: this command receives its messages, and SQS moves those that are \
             received too often",
            queue.name()
        );
    }
}

async fn read(
    scan: &mut Scan<'_>,
    stop: &StopFlag,
    groups: &mut Groups,
    lookup: Option<&Lookup>,
    bodies: bool,
) -> Result<(), String> {
    while stop.requested().is_none() {
        let dead_letters = scan.next().await?;
        if dead_letters.is_empty() {
            break;
        }
        let records = match lookup {
            Some(lookup) => lookup.all(&dead_letters).await,
            None => vec![None; dead_letters.len()],
        };
        for (dead_letter, record) in dead_letters.iter().zip(records) {
            groups.add(dead_letter, record, bodies);
        }
    }
    Ok(())
}

/// `width`: that of the terminal, which no line exceeds.
fn table(groups: &Groups, width: Option<u16>, now: Timestamp) -> String {
    let age = |sent: Option<Timestamp>| sent.map_or_else(String::new, |sent| time::length(sent.until(now)));
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' ')))
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["function", "count", "oldest", "newest", "reason, and an example"]);
    for group in groups.sorted() {
        table.add_row([
            group
                .function
                .as_deref()
                .map_or_else(|| "unknown".to_owned(), printable),
            group.count.to_string(),
            age(group.oldest),
            age(group.newest),
            reason_and_example(group),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if let Some(count) = table.column_mut(1) {
        count.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Below each other: beside each other they fit no terminal.
fn reason_and_example(group: &Group) -> String {
    let Example {
        id, key, record, body, ..
    } = &group.example;
    let mut lines = vec![printable(&listed(group.code.as_deref(), group.reason()))];
    lines.extend(record.as_deref().map(|record| format!("record {}", printable(record))));
    // The name alone, as `--source` accepts it.
    let source = group.source.as_deref().map(|arn| arn.rsplit(':').next().unwrap_or(arn));
    lines.extend(source.map(|source| format!("from {}", printable(source))));
    lines.extend([format!("message {id}"), format!("key {}", printable(key))]);
    lines.extend(body.as_deref().map(|body| format!("body {}", printable(body))));
    lines.join("\n")
}

fn summary(queue: &Queue, state: &State, seen: usize, copies: u64) -> String {
    let (name, visible, in_flight) = (queue.name(), state.visible, state.in_flight);
    let copies = match copies {
        0 => String::new(),
        copies => format!(", {copies} of them copies of others and not counted"),
    };
    let mut text =
        format!("{name}: {seen} messages seen{copies}; at the start about {visible} visible and {in_flight} in flight");
    if queue.is_fifo() {
        text.push('\n');
        text.push_str(FIFO_CAVEAT);
    }
    text
}

fn as_json(queue: &Queue, state: &State, seen: usize, groups: &Groups, now: Timestamp) -> Value {
    let age = |sent: Option<Timestamp>| sent.map(|sent| sent.until(now).as_secs());
    let group = |group: &Group| {
        let Example {
            id,
            key,
            reason,
            record,
            body,
        } = &group.example;
        let mut json = json!({
            "source": group.source,
            "function": group.function,
            "code": group.code,
            "reason": group.masked,
            "count": group.count,
            "oldestSeconds": age(group.oldest),
            "newestSeconds": age(group.newest),
            "example": {"messageId": id, "key": key, "reason": reason},
        });
        if let Some(record) = record {
            json["example"]["record"] = record.as_str().into();
        }
        if let Some(body) = body {
            json["example"]["body"] = body.as_str().into();
        }
        json
    };
    json!({
        "queue": queue.name(),
        "seen": seen,
        "copies": groups.copies,
        "approximateNumberOfMessages": state.visible,
        "approximateNumberOfMessagesNotVisible": state.in_flight,
        "groupsMayHideMessages": queue.is_fifo(),
        "groups": groups.sorted().into_iter().map(group).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{Message, MessageAttributeValue};

    use super::super::dead_letter::DeadLetter;
    use super::*;

    const ID: &str = "2e9b785d-6ad6-4b7a-9a27-3a2b0a1f5c11";

    fn dead_letter() -> DeadLetter {
        let failure = json!({"reason": "too long ".repeat(20), "function": "place-order", "receiveCount": 1});
        let failure = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(failure.to_string());
        let message = Message::builder().message_id(ID).body("x".repeat(200));
        let message = message.message_attributes("Consumer.Failure", failure.build().unwrap());
        DeadLetter::of(message.build())
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_the_terminal() {
        let mut groups = Groups::default();
        groups.add(&dead_letter(), None, true);
        for columns in [60, 80, 120, 200] {
            let table = table(&groups, Some(columns), Timestamp::now());
            let widest = table.lines().map(|line| line.chars().count()).max();
            assert!(
                widest.is_some_and(|widest| widest <= columns.into()),
                "{columns}:\n{table}"
            );
            assert!(columns < 80 || table.contains(ID), "{columns}:\n{table}");
        }
        assert!(table(&groups, None, Timestamp::now()).contains(&"too long ".repeat(19)));
    }
}
