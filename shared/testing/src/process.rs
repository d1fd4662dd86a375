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

/// What Lambda sets for each function, and the setting that all functions share.
pub const ENVIRONMENT: [(&str, &str); 8] = [
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ("AWS_LAMBDA_FUNCTION_NAME", "test"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("IDEMPOTENCY_TABLE", "idempotency"),
];

/// The one line of JSON that a program writes before it exits, because its environment lacks a setting or has an invalid
/// one. It has these variables and no others.
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
