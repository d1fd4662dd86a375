//! The snapshot and the promises, for a person to read.

use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::check::Promise;
use crate::snapshot::{Place, Seen, Snapshot};
use local::watch::head;

/// A line for each message, less than a hundred columns wide, and then the reasons of those that were rejected.
pub(crate) fn table(snapshot: &Snapshot<'_>) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction(' ')))
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "message",
        "sample",
        "about",
        "delivered",
        "outcome",
        "effect",
        "ended in",
    ]);
    for seen in &snapshot.messages {
        table.add_row([
            head(&seen.sent.id).to_owned(),
            sample(seen).to_owned(),
            about(seen),
            format!("{}x", seen.deliveries),
            outcome(seen),
            format!("{}x", seen.effects),
            ended(seen),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    for column in [3, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!(
        "{}\n\nRejected:\n{}\n{}",
        table.trim_fmt(),
        reasons(snapshot),
        counted(snapshot)
    )
}

/// The sample's file, without its directory.
fn sample<'a>(seen: &Seen<'a>) -> &'a str {
    let file = seen.sent.file.rsplit('/').next().unwrap_or_default();
    file.trim_end_matches(".json")
}

/// An order's ID, or a recipient without their host.
fn about(seen: &Seen<'_>) -> String {
    let subject = seen.sent.subject();
    subject.split('@').next().unwrap_or_default().to_owned()
}

fn outcome(seen: &Seen<'_>) -> String {
    match seen.status.as_deref() {
        Some("COMPLETED") if seen.effects == 0 => "done before".to_owned(),
        Some("COMPLETED") => "done".to_owned(),
        status => status.unwrap_or("not done").to_lowercase(),
    }
}

fn ended(seen: &Seen<'_>) -> String {
    match seen.place {
        Place::Acknowledged => "acknowledged".to_owned(),
        Place::InQueue => format!("still in {}", seen.sent.queue),
        Place::DeadLettered => seen.sent.dead_letter_queue(),
    }
}

fn reasons(snapshot: &Snapshot<'_>) -> String {
    let line = |seen: &Seen<'_>| Some(format!("  {}  {}\n", head(&seen.sent.id), seen.reason.as_ref()?));
    snapshot.messages.iter().filter_map(line).collect()
}

/// The deliveries, and their outcomes in the functions' own metrics.
fn counted(snapshot: &Snapshot<'_>) -> String {
    let count = |outcome| snapshot.counted.get(outcome).copied().unwrap_or_default();
    let samples: u32 = snapshot.messages.iter().map(|seen| seen.deliveries).sum();
    format!(
        "Deliveries: {samples} of the messages above, and {} of the confirmations that place-order sent.\n\
         {} of them ended with a function that was killed, and have no outcome.\n\
         Outcomes of the other {}, as the functions' metrics count them:\n\
         {} done, {} duplicate, {} in progress, {} failed, {} rejected, {} not started.\n",
        snapshot.confirmation_deliveries,
        snapshot.without_outcome,
        snapshot.counted.values().sum::<u64>(),
        count("Done"),
        count("Duplicate"),
        count("InProgress"),
        count("Failed"),
        count("Rejected"),
        count("NotStarted")
    )
}

pub(crate) fn verdict(promises: &[Promise], took: Duration) -> String {
    let line = |promise: &Promise| format!("  {}  {}", if promise.held { "held  " } else { "BROKEN" }, promise.text);
    let lines: Vec<_> = promises.iter().map(line).collect();
    let held = promises.iter().filter(|promise| promise.held).count();
    let summary = format!(
        "{held} of {} promises held, in {:.0} s",
        promises.len(),
        took.as_secs_f32()
    );
    format!("Promises:\n{}\n\n{summary}.", lines.join("\n"))
}
