//! A function's process without a stack.

use std::process::Command;

use serde_json::Value;

/// The one line, JSON, that a program writes before it gives up for lack of something in its environment, which is this and
/// nothing else.
#[track_caller]
pub fn last_words<'a>(program: &str, environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let mut function = Command::new(program);
    let output = function.env_clear().envs(environment).output();
    let output = output.unwrap_or_else(|error| panic!("{program} can't be run: {error}"));
    assert!(!output.status.success(), "it did not give up");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8_lossy(&output.stdout);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    serde_json::from_str(&lines).unwrap_or_else(|error| panic!("{lines} is not JSON: {error}"))
}
