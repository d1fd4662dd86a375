//! The sample events: they are what Lambda sends, and each shows the fact in its name.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is tests"
)]

mod facts;
mod fields;
// samples: begin
mod samples;
// samples: end

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sam::{Settings, Template};
use serde_json::Value;
use testing::{pages, samples};

/// The functions of the template, each with the name of its queue.
fn functions() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let settings = Settings {
        urls: Some("https://example.com".to_owned()),
        ..Settings::default()
    };
    let mappings = Template::read(&path, &settings).unwrap().mappings.into_iter();
    mappings.map(|mapping| (mapping.function, mapping.queue)).collect()
}

/// Every sample event, by its path below `events/`.
fn files() -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    for function in functions().keys() {
        for (name, event) in samples(function) {
            let name = format!("{function}/{name}");
            let event = serde_json::from_slice(&event).unwrap_or_else(|error| panic!("{name}: {error}"));
            files.insert(name, event);
        }
    }
    files
}

fn records(event: &Value) -> &[Value] {
    event["Records"].as_array().expect("an event has Records")
}

/// The records of a file.
fn of(file: &str) -> Vec<Value> {
    records(&files()[file]).to_vec()
}

/// Every record with the file it is in.
fn all_records(files: &BTreeMap<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    files
        .iter()
        .flat_map(|(name, event)| records(event).iter().map(move |record| (name.as_str(), record)))
}

#[test]
fn readme_lists_exactly_the_files_of_its_functions() {
    let mut pages = pages().into_iter();
    let readme = pages.find(|page| page.path == Path::new("events/README.md")).unwrap();
    let listed: Vec<_> = readme
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
        .collect();
    let names: BTreeSet<_> = listed.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names.len(), listed.len(), "a file is listed twice");
    // A function need not be on the page. One that is has all of its files there.
    let function = |name: &String| name.split('/').next().unwrap().to_owned();
    let functions: BTreeSet<_> = names.iter().map(function).collect();
    let files = files().into_keys().filter(|name| functions.contains(&function(name)));
    assert_eq!(names, files.collect());
}
