//! What the README says of files and commands. Its Rust blocks are compiled by the crate's documentation tests.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::BTreeSet;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn readme() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap()
}

/// Words in backticks, and the targets of links.
fn named(text: &str) -> BTreeSet<&str> {
    let outside_of_blocks = text.split("```").step_by(2);
    let code = outside_of_blocks
        .clone()
        .flat_map(|text| text.split('`').skip(1).step_by(2));
    let links = outside_of_blocks.flat_map(|text| text.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    code.chain(links).collect()
}

#[test]
fn every_file_and_folder_that_it_names_exists() {
    let readme = readme();
    let is_path = |word: &&&str| {
        let first = word.split('/').next().unwrap_or_default();
        let known = [
            "functions",
            "shared",
            "events",
            "tests",
            "template.yaml",
            "samconfig.toml",
            "Cargo.toml",
        ];
        known.contains(&first) && !word.contains(['<', ' ', '*'])
    };
    let named = named(&readme);
    let paths: Vec<_> = named.iter().filter(is_path).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert!(Path::new(ROOT).join(path).exists(), "{path} does not exist");
    }
}
