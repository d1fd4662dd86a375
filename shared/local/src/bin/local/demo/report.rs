//! What was seen, for a person to read.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::check::Promise;
use super::stage::{Place, Scene, Seen};
use crate::watch::head;

pub(super) fn table(scene: &Scene<'_>) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["message", "sample", "about", "delivered", "outcome", "effect", "ended"]);
    for seen in &scene.messages {
        table.add_row([
            head(&seen.sent.id).to_owned(),
            seen.sent.file.trim_end_matches(".json").to_owned(),
            seen.sent.subject(),
            format!("{}x", seen.deliveries),
            outcome(seen),
            format!("{}x", seen.effects),
            ended(seen),
        ]);
    }
    for column in [3, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn outcome(seen: &Seen<'_>) -> String {
    match (seen.status.as_deref(), &seen.reason) {
        (Some("COMPLETED"), _) if seen.effects == 0 => "done before".to_owned(),
        (Some("COMPLETED"), _) => "done".to_owned(),
        (Some("REJECTED"), Some(reason)) => format!("rejected: {reason}"),
        (status, _) => status.unwrap_or("not done").to_lowercase(),
    }
}

fn ended(seen: &Seen<'_>) -> String {
    match seen.place {
        Place::Acknowledged => "acknowledged".to_owned(),
        Place::InQueue => format!("still in {}", seen.sent.queue),
        Place::DeadLettered => format!("{}-dlq", seen.sent.queue),
    }
}

pub(super) fn verdict(promises: &[Promise], took: Duration) -> String {
    let line = |promise: &Promise| format!("  {}  {}", if promise.held { "held  " } else { "BROKEN" }, promise.text);
    let lines: Vec<_> = promises.iter().map(line).collect();
    let held = promises.iter().filter(|promise| promise.held).count();
    let sum = format!(
        "{held} of {} promises held, in {:.0} s",
        promises.len(),
        took.as_secs_f32()
    );
    format!("Promises:\n{}\n\n{sum}.", lines.join("\n"))
}
