//! What the README says of files and commands. Its Rust blocks are compiled by the crate's documentation tests.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

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

/// The first block of code that contains this, without the indentation of a list.
fn block<'a>(readme: &'a str, containing: &str) -> Vec<&'a str> {
    let mut blocks = readme.split("```").skip(1).step_by(2);
    let block = blocks.find(|block| block.contains(containing)).unwrap();
    // Both fences are indented alike.
    let (code, indentation) = block.rsplit_once('\n').unwrap();
    let lines = code.lines().skip(1);
    lines
        .map(|line| line.strip_prefix(indentation).unwrap_or(line))
        .collect()
}

/// What a command prints; it has to succeed.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let printed = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{command:?}: {printed}");
    printed
}

/// A cargo that is not told whose test this is, which build scripts would take for a change.
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
fn a_function_that_is_added_as_it_says_is_formatted_and_compiles_without_a_warning_or_an_idle_dependency() {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("added");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(&copy).unwrap();
    let workspace = [
        "Cargo.toml",
        "Cargo.lock",
        ".rustfmt.toml",
        "functions",
        "shared",
        "tests",
    ];
    run(Command::new("cp")
        .arg("-r")
        .args(workspace)
        .arg(&copy)
        .current_dir(ROOT));
    // By which cargo tells what it builds of the copy from what it builds of this workspace.
    let manifest = std::fs::read_to_string(copy.join("Cargo.toml")).unwrap();
    let renamed = manifest.replace("version = \"0.1.0\"", "version = \"0.1.0-copy\"");
    assert_ne!(renamed, manifest);
    std::fs::write(copy.join("Cargo.toml"), renamed).unwrap();

    let readme = readme();
    let commands = block(&readme, "cp -r functions/send-notification").join("\n");
    run(Command::new("sh").args(["-e", "-c", &commands]).current_dir(&copy));
    let (_, line) = readme.split_once("what it is for, `").unwrap();
    let first = vec![line.split('`').next().unwrap(), ""];
    let handler = block(&readme, "impl Handler for RefundOrder");
    let built = [vec![""], block(&readme, "impl RefundOrder {")].concat();
    let source = [first, handler, built].concat().join("\n") + "\n";
    let function = copy.join("functions/refund-order");
    std::fs::write(function.join("src/lib.rs"), source).unwrap();

    let cargo = |arguments: &[&str]| run(cargo(arguments).current_dir(&copy));
    cargo(&["fmt", "--check", "--package=refund-order"]);
    // Into this workspace's own directory and with its features, where the dependencies are built already.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let target = format!("--target-dir={}", target.display());
    let printed = cargo(&[
        "build",
        "--offline",
        "--package=refund-order",
        "--package=local",
        &target,
    ]);
    assert!(!printed.contains("warning"), "{printed}");

    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(function.join("Cargo.toml")).unwrap()).unwrap();
    assert_eq!(manifest["package"]["description"].as_str(), Some("Refunds orders"));
    assert!(!manifest.contains_key("dev-dependencies"));
    let sources = ["src/lib.rs", "src/main.rs"].map(|file| std::fs::read_to_string(function.join(file)).unwrap());
    for dependency in manifest["dependencies"].as_table().unwrap().keys() {
        let path = format!("{}::", dependency.replace('-', "_"));
        assert!(sources.concat().contains(&path), "{dependency} is of no use");
    }
    std::fs::remove_dir_all(copy).unwrap();
}
