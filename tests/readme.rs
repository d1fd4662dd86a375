//! The pages name files, links, packages and tests that exist. Their Rust blocks are documentation tests of the crates that include
//! them. Their commands are parsed by tests of the command lines, and the functions that they write are checked by `.ci/new`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testing::{Page, commands, pages};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A newcomer reads this many bytes in five minutes.
const MAX_README_BYTES: usize = 9_000;

fn page(path: &str) -> Page {
    pages().into_iter().find(|page| page.path == Path::new(path)).unwrap()
}

/// Whether a word is about a function that a command on a page writes, such as `charge-card`.
fn is_of_a_new_function(word: &str) -> bool {
    let commands = commands("local").into_iter().filter(|command| command[0] == "new");
    let mut names = commands.filter_map(|command| command.get(1).cloned());
    names.any(|name| word.contains(&name))
}

/// The anchors of the headings in this text, as GitHub makes them.
fn anchors(prose: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |character: &char| character.is_alphanumeric() || " -_".contains(*character);
        heading.chars().filter(kept).collect::<String>().replace(' ', "-")
    };
    prose.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn top_readme_fits_into_9000_bytes() {
    let bytes = page("README.md").text.len();
    assert!(bytes <= MAX_README_BYTES, "{bytes} bytes");
}

#[test]
fn files_named_on_pages_exist() {
    let known = [
        ".ci",
        "functions",
        "shared",
        "events",
        "tests",
        "template.yaml",
        "samconfig.toml",
        "Cargo.toml",
    ];
    let is_path = |word: &&str| known.iter().any(|first| word.split('/').next() == Some(*first));
    let mut seen = 0;
    for page in pages() {
        let prose = page.prose();
        let words = prose.split('`').skip(1).step_by(2);
        let words = words.filter(is_path).filter(|word| !is_of_a_new_function(word));
        for path in words.filter(|word| !word.contains(['<', ' ', '*'])) {
            let exists = Path::new(ROOT).join(path).exists();
            assert!(exists, "{}: {path} does not exist", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} paths");
}

#[test]
fn links_between_pages_resolve() {
    let mut seen = 0;
    for page in pages() {
        let prose = page.prose();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let from = Path::new(ROOT).join(&page.path);
            let target = match file {
                "" => from,
                file => from.with_file_name(file),
            };
            assert!(target.exists(), "{}: {link} does not exist", page.path.display());
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let path = target;
                let anchors = anchors(&Page { path, text }.prose());
                assert!(
                    anchors.contains(anchor),
                    "{}: {link} is not in {anchors:?}",
                    page.path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} links");
}

#[test]
fn each_known_fault_of_others_has_a_test() {
    let page = page("tests/README.md");
    let (_, section) = page.text.split_once("## Known faults of others").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut faults = 0;
    for row in section.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, fault, file, test, _] = cells[..] else {
            panic!("not three columns: {row}");
        };
        let source = std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        faults += usize::from(!fault.is_empty());
    }
    assert_eq!(faults, 8);
}

/// The packages of the workspace, with the names of their integration tests.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let mut metadata = cargo(&["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let metadata = metadata.current_dir(ROOT).output().unwrap().stdout;
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let targets = package["targets"].as_array().unwrap().iter();
        let tests = targets.filter(|target| target["kind"][0] == "test").map(name);
        (name(package), tests.collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn cargo_commands_on_pages_name_existing_packages_and_tests() {
    let packages = packages();
    let mut seen = 0;
    for page in pages() {
        for line in page.blocks("sh").concat() {
            let words: Vec<_> = line.split_whitespace().take_while(|word| *word != "--").collect();
            if !matches!(words[..], ["cargo", "run" | "test", ..]) {
                continue;
            }
            let value = |flag: &str| words.iter().skip_while(|word| **word != flag).nth(1).copied();
            let Some(package) = value("-p") else {
                continue;
            };
            if is_of_a_new_function(package) {
                continue;
            }
            let tests = packages.get(package);
            let tests = tests.unwrap_or_else(|| panic!("{}: there is no package {package}", page.path.display()));
            let exists = value("--test").is_none_or(|test| tests.contains(test));
            assert!(exists, "{}: not among {tests:?}: {line}", page.path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} commands");
}

/// A cargo without the variables of this package, because build scripts would rerun for them.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&variable);
        }
    }
    cargo.args(arguments);
    cargo
}

#[test]
fn functions_of_the_pages_are_written_and_checked() {
    let checked = std::fs::read_to_string(Path::new(ROOT).join(".ci/new")).unwrap();
    let written = commands("local").into_iter().filter(|command| command[0] == "new");
    let written: BTreeSet<_> = written
        .map(|command| command.join(" ").replace(" --remove-samples", ""))
        .collect();
    assert!(!written.is_empty(), "no page has `local new`");
    for command in written {
        assert!(
            checked.contains(&format!("\n{command}\n")),
            ".ci/new does not run `{command}`"
        );
    }
}
