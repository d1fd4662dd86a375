//! How cargo is run.

use std::path::Path;
use std::process::{Output, Stdio};

use rustix::process::Signal;
use tokio::process::Command;

use super::BuildError;
use crate::group::Group;

pub(super) fn cargo(directory: &Path, command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(directory).arg(command);
    // Variables that an outer cargo sets for the program it runs: some build scripts take them for a change, and run again.
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_set_by_cargo(&variable.to_string_lossy())) {
        cargo.env_remove(variable);
    }
    // Relative to the directory that this program, not cargo, was started in.
    for variable in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"] {
        let target = std::env::var_os(variable).filter(|target| !target.is_empty());
        if let Some(target) = target.and_then(|target| std::path::absolute(target).ok()) {
            cargo.env(variable, target);
        }
    }
    cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0);
    cargo
}

/// Runs cargo to its end. If this future is dropped before, cargo and its compilers are ended.
pub(super) async fn output(mut cargo: Command) -> Result<Output, BuildError> {
    // Not tokio's `output`, which would swallow standard error.
    let child = cargo.spawn().map_err(BuildError::NoCargo)?;
    let group = Group::of(&child, Signal::TERM);
    let output = child.wait_with_output().await.map_err(BuildError::NoCargo);
    group.dismiss();
    output
}

fn is_set_by_cargo(variable: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
    ];
    let names = [
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
    ];
    names.contains(&variable) || prefixes.into_iter().any(|prefix| variable.starts_with(prefix))
}
