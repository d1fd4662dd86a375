//! Builds the functions' binaries with cargo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

/// Why there are no binaries to run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be started at all.
    #[error("cargo can't be run; is it in PATH?")]
    NoCargo(#[source] std::io::Error),
    /// Cargo has said what is wrong on standard error.
    #[error("the functions don't build: see cargo's messages above")]
    Failed,
    /// The template names a binary that the workspace does not have.
    #[error(
        "the workspace builds no binary {0}, which the template names (Metadata.BuildProperties.Binary, or CodeUri)"
    )]
    Missing(String),
}

/// Builds these binaries of the workspace in `directory`, dev profile, and gives back where each is.
///
/// Each is the only binary of the package of its name. Cargo's progress and messages go to standard error.
///
/// # Errors
///
/// [`BuildError`]; what the compiler has to say is on standard error by then.
pub(crate) async fn build(directory: &Path, binaries: &[String]) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let built = cargo(directory, binaries).output().await.map_err(BuildError::NoCargo)?;
    if !built.status.success() {
        return Err(BuildError::Failed);
    }
    let artifacts: Vec<Artifact> = built
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let path = |name: &String| {
        let of_name = artifacts
            .iter()
            .find(|artifact| artifact.target.name == *name && artifact.executable.is_some());
        let path = of_name.and_then(|artifact| artifact.executable.clone());
        path.map(|path| (name.clone(), path))
            .ok_or_else(|| BuildError::Missing(name.clone()))
    };
    binaries.iter().map(path).collect()
}

/// One line of cargo's JSON messages; lines of other shapes are not ours.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn cargo(directory: &Path, binaries: &[String]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(directory)
        .arg("build")
        .arg("--message-format=json-render-diagnostics");
    // Together with this package, of which the functions' dependencies are a part: alone, they would be resolved to other
    // features, and the AWS SDK be compiled a second time.
    cargo.args(["--package", env!("CARGO_PKG_NAME")]);
    for binary in binaries {
        cargo.args(["--package", binary, "--bin", binary]);
    }
    // What an outer cargo tells the program it runs: some build scripts take it for a change, and run again.
    for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_told_by_cargo(&variable.to_string_lossy())) {
        cargo.env_remove(variable);
    }
    cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    cargo
}

fn is_told_by_cargo(variable: &str) -> bool {
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
