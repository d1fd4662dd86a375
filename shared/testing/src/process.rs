//! A function's process without a stack.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::workspace;
use local::build;

/// The programs of these names, which cargo builds.
pub async fn programs(names: &[String]) -> BTreeMap<String, PathBuf> {
    let built = build(&workspace(), names).await;
    built.unwrap_or_else(|error| panic!("{error}"))
}

/// The one line, JSON, that a program writes before it exits because its environment, which is this and nothing else, lacks
/// something.
#[track_caller]
pub fn last_words<N, V>(program: impl AsRef<Path>, environment: impl IntoIterator<Item = (N, V)>) -> Value
where
    N: AsRef<OsStr>,
    V: AsRef<OsStr>,
{
    let program = program.as_ref();
    let mut function = Command::new(program);
    let output = function.env_clear().envs(environment).output();
    let output = output.unwrap_or_else(|error| panic!("{} can't be run: {error}", program.display()));
    assert!(!output.status.success(), "it did not fail");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let lines = String::from_utf8_lossy(&output.stdout);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    serde_json::from_str(&lines).unwrap_or_else(|error| panic!("{lines} is not JSON: {error}"))
}
