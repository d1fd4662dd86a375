//! The demo's command line.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

use std::fs;
use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn help_fits_a_terminal() {
    let done = demo(&["--help"]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && text.contains("Usage: demo"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn a_wrong_template_is_an_error_before_the_build() {
    let broken = format!("{}/broken.yaml", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&broken, "a: [b\n").unwrap();
    for path in [&broken, "/nowhere/template.yaml"] {
        let done = demo(&["--template", path]);
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(1), &b""[..]));
        assert!(error.starts_with(&format!("error: {path}:")), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
