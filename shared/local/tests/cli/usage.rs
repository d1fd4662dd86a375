//! Wrong usage, and help.

use std::path::Path;

use testing::commands;

use crate::harness::{local, refused};

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["fly"],
        &["up", "--port", "65536"],
        &["up", "--parameter", "NoValue"],
        &["up", "--endpoint-url", "127.0.0.1:4566"],
        &["up", "--endpoint-url", "aws"],
        &["up", "--account", "123456789012"],
        &["up", "--on-premises"],
        &["up", "--on-premises", "--worker", "work", "--watch"],
        &[
            "up",
            "--on-premises",
            "--worker",
            "work",
            "--endpoint-url",
            "http://127.0.0.1:1",
        ],
        &["send", "orders"],
        &["invoke", "work"],
        &["env"],
    ] {
        assert_eq!(refused(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn help_fits_a_terminal() {
    for arguments in [
        &["--help"][..],
        &["up", "--help"],
        &["send", "--help"],
        &["invoke", "-h"],
        &["env", "--help"],
        &["new", "--help"],
        &["receiver", "--help"],
    ] {
        let done = local().args(arguments).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.contains("Usage: local"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn every_command_on_a_page_parses_and_names_existing_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let commands = commands("local");
    assert!(commands.len() >= 4, "{commands:?}");
    // Functions that do not exist before a reader writes them.
    let new = commands.iter().filter(|command| command[0] == "new");
    let new: Vec<_> = new.filter_map(|command| command.get(1).cloned()).collect();
    for command in commands {
        // What is before --help is parsed, but not run.
        let done = local().args(&command).arg("--help").output().unwrap();
        assert!(
            done.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        let is_new = |word: &String| new.iter().any(|name| word.starts_with(&format!("events/{name}/")));
        let is_file =
            |word: &&String| word.starts_with("events/") && !word.starts_with("events/FUNCTION/") && !is_new(word);
        for file in command.iter().filter(is_file) {
            assert!(root.join(file).exists(), "{file}");
        }
    }
}
