//! Wrong usage, and help.

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
    ] {
        let done = local().args(arguments).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.contains("Usage: local"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn commands_in_the_readme_are_valid_and_their_files_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let lines = readme
        .lines()
        .filter_map(|line| line.trim().strip_prefix("cargo run -p local -- "));
    let commands: Vec<_> = lines
        .map(|line| line.split(['#', '>']).next().unwrap().split_whitespace())
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        // What goes before --help is parsed, but not run.
        let done = local().args(command.clone()).arg("--help").output().unwrap();
        assert!(
            done.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        for file in command.filter(|word| word.starts_with("events/")) {
            assert!(std::path::Path::new(root).join(file).exists(), "{file}");
        }
    }
}
