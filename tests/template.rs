//! What a deployment must not lack, and no linter demands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use local::template::{Queue, Settings, Template};

fn template() -> Template {
    let settings = Settings {
        parameters: BTreeMap::from([("NotificationUrl".to_owned(), "https://example.com".to_owned())]),
        ..Settings::default()
    };
    Template::read(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml").as_ref(),
        &settings,
    )
    .unwrap()
}

fn queue<'a>(template: &'a Template, name: &str) -> &'a Queue {
    template.queues.iter().find(|queue| queue.name == name).unwrap()
}

fn redrive(queue: &Queue) -> Option<serde_json::Value> {
    queue
        .attributes
        .get("RedrivePolicy")
        .map(|policy| serde_json::from_str(policy).unwrap())
}

#[test]
fn every_mapping_reports_batch_item_failures() {
    let template = template();
    assert_eq!(template.mappings.len(), template.functions.len());
    for mapping in &template.mappings {
        assert!(
            mapping.report_batch_item_failures,
            "without it, Lambda deletes {}'s failed messages",
            mapping.queue
        );
    }
}

#[test]
fn every_queue_hides_a_message_for_six_times_its_functions_timeout_and_the_window() {
    let template = template();
    for mapping in &template.mappings {
        let function = template
            .functions
            .iter()
            .find(|function| function.name == mapping.function)
            .unwrap();
        let hidden = queue(&template, &mapping.queue).attributes["VisibilityTimeout"]
            .parse()
            .unwrap();
        assert!(
            Duration::from_secs(hidden) >= function.timeout * 6 + mapping.window,
            "{}",
            mapping.queue
        );
    }
}

#[test]
fn every_queue_has_a_dead_letter_queue_that_keeps_messages_longer() {
    let template = template();
    for mapping in &template.mappings {
        let policy = redrive(queue(&template, &mapping.queue)).unwrap_or_else(|| panic!("{} has none", mapping.queue));
        let target = policy["deadLetterTargetArn"]
            .as_str()
            .unwrap()
            .rsplit(':')
            .next()
            .unwrap();
        let retention = |name: &str| {
            let default = "345600".to_owned();
            queue(&template, name)
                .attributes
                .get("MessageRetentionPeriod")
                .unwrap_or(&default)
                .parse::<u64>()
                .unwrap()
        };
        assert!(retention(target) > retention(&mapping.queue), "{target}");
        let receives: u64 = policy["maxReceiveCount"].to_string().trim_matches('"').parse().unwrap();
        // Fewer, and throttling alone would send healthy messages there.
        assert!(receives >= 5, "{}: {receives}", mapping.queue);
    }
}

#[test]
fn the_ledgers_records_expire_by_the_attribute_that_the_code_writes_and_after_every_message() {
    let template = template();
    let name = &template.functions[0].environment["IDEMPOTENCY_TABLE"];
    let table = template.tables.iter().find(|table| table.name == *name).unwrap();
    assert_eq!(table.time_to_live.as_deref(), Some("expiration"));

    let longest_retention = Duration::from_secs(14 * 24 * 60 * 60);
    assert!(idempotency::DEFAULT_RETENTION > longest_retention);
}

#[test]
fn every_function_shares_the_ledgers_table() {
    let template = template();
    let tables: Vec<_> = template
        .functions
        .iter()
        .map(|function| &function.environment["IDEMPOTENCY_TABLE"])
        .collect();
    assert!(tables.windows(2).all(|pair| pair[0] == pair[1]), "{tables:?}");
}
