//! `operator dlq list`: the messages of a dead-letter queue.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cli::{StopFlag, printable, say};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use idempotency::Timestamp;
use serde_json::{Value, json};

use super::dead_letter::DeadLetter;
use super::queue::{Queue, State};
use super::scan::Scan;
use crate::endpoint::EndpointArgs;
use crate::{Outcome, time};

/// Why a FIFO queue may have more messages than were seen.
pub(super) const FIFO_CAVEAT: &str =
    "A FIFO queue may hold more than was seen: while messages of a group are in flight, SQS delivers no others of it.";

/// So many characters of a body are shown: enough to recognise it in one line.
const BODY_CHARACTERS: usize = 80;

#[derive(Args)]
pub(crate) struct ListArgs {
    /// The dead-letter queue's name, or its URL
    queue: String,
    /// Show the beginning of one body per group; it may contain secrets
    #[arg(long)]
    show_body: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

pub(crate) async fn run(args: ListArgs) -> Outcome {
    let queue = Queue::find(&args.endpoint.sqs().await?, &args.queue).await?;
    let state = queue.state().await?;
    warn(&queue, &state);
    let stop = StopFlag::listen()?;
    let mut scan = Scan::new(&queue, &state, Duration::ZERO);
    let mut groups = Groups::new();
    let read = read(&mut scan, &stop, &mut groups, args.show_body).await;
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
        if !groups.is_empty() {
            say!("{}\n", table(&groups, args.show_body, now));
        }
        say!("{}", summary(&queue, &state, seen));
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

/// By function and reason.
type Groups = BTreeMap<(Option<String>, String), Group>;

struct Group {
    count: u64,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    example: Example,
}

struct Example {
    id: String,
    key: String,
    body: Option<String>,
}

async fn read(scan: &mut Scan<'_>, stop: &StopFlag, groups: &mut Groups, bodies: bool) -> Result<(), String> {
    while stop.requested().is_none() {
        let dead_letters = scan.next().await?;
        if dead_letters.is_empty() {
            break;
        }
        for dead_letter in dead_letters {
            let id = (
                dead_letter.function().map(str::to_owned),
                dead_letter.reason().to_owned(),
            );
            let group = groups.entry(id).or_insert_with(|| Group::of(&dead_letter, bodies));
            group.count += 1;
            group.oldest = group.oldest.min(dead_letter.sent);
            group.newest = group.newest.max(dead_letter.sent);
        }
    }
    Ok(())
}

impl Group {
    fn of(example: &DeadLetter, body: bool) -> Self {
        Self {
            count: 0,
            oldest: example.sent,
            newest: example.sent,
            example: Example {
                id: example.id.clone(),
                key: example.key().to_owned(),
                body: body.then(|| example.body.chars().take(BODY_CHARACTERS).collect()),
            },
        }
    }
}

/// The largest group first.
fn sorted(groups: &Groups) -> Vec<(&(Option<String>, String), &Group)> {
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    sorted
}

fn table(groups: &Groups, bodies: bool, now: Timestamp) -> String {
    let age = |sent: Option<Timestamp>| sent.map_or_else(String::new, |sent| time::length(sent.until(now)));
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' ')))
        .set_content_arrangement(ContentArrangement::Disabled);
    let body = bodies.then_some("body");
    let columns = ["function", "count", "oldest", "newest", "reason", "message", "key"];
    table.set_header(columns.into_iter().chain(body));
    for ((function, reason), group) in sorted(groups) {
        let example = &group.example;
        let row = [
            function.as_deref().map_or_else(|| "unknown".to_owned(), printable),
            group.count.to_string(),
            age(group.oldest),
            age(group.newest),
            printable(reason),
            example.id.clone(),
            printable(&example.key),
        ];
        table.add_row(row.into_iter().chain(example.body.as_deref().map(printable)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if let Some(count) = table.column_mut(1) {
        count.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn summary(queue: &Queue, state: &State, seen: usize) -> String {
    let (name, visible, in_flight) = (queue.name(), state.visible, state.in_flight);
    let mut text =
        format!("{name}: {seen} messages seen; at the start about {visible} visible and {in_flight} in flight");
    if queue.is_fifo() {
        text.push('\n');
        text.push_str(FIFO_CAVEAT);
    }
    text
}

fn as_json(queue: &Queue, state: &State, seen: usize, groups: &Groups, now: Timestamp) -> Value {
    let age = |sent: Option<Timestamp>| sent.map(|sent| sent.until(now).as_secs());
    let group = |((function, reason), group): (&(Option<String>, String), &Group)| {
        let mut json = json!({
            "function": function,
            "reason": reason,
            "count": group.count,
            "oldestSeconds": age(group.oldest),
            "newestSeconds": age(group.newest),
            "example": {"messageId": group.example.id, "key": group.example.key},
        });
        if let Some(body) = &group.example.body {
            json["example"]["body"] = body.as_str().into();
        }
        json
    };
    json!({
        "queue": queue.name(),
        "seen": seen,
        "approximateNumberOfMessages": state.visible,
        "approximateNumberOfMessagesNotVisible": state.in_flight,
        "groupsMayHideMessages": queue.is_fifo(),
        "groups": sorted(groups).into_iter().map(group).collect::<Vec<_>>(),
    })
}
