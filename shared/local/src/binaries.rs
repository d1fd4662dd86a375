//! Where the binaries of the template's functions come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sam::{Function, Template};

use crate::build::{self, BuildError, Example};
use crate::options::{Binaries, Options};

/// The name of the binary that runs for a function: that of Lambda or, if it is one of these workers, the one beside it.
pub(crate) fn binary_of(function: &Function, workers: &BTreeSet<String>) -> String {
    match workers.contains(&function.name) {
        true => format!("{}-worker", function.binary),
        false => function.binary.clone(),
    }
}

/// The paths of the functions' binaries, by name.
pub(crate) async fn binaries(
    options: &Options,
    template: &Template,
    workers: &BTreeSet<String>,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let names = names(template, workers);
    let workspace = build::workspace_of(&options.template);
    match &options.binaries {
        Binaries::Only(binaries) => Ok(binaries.clone()),
        Binaries::In(directory) => build::found(directory, &names, workspace).await,
        Binaries::CargoLambda => build::found(&build::cargo_lambda(workspace).await?, &names, workspace).await,
        Binaries::Build => {
            let built = build::build(workspace, &names).await;
            built.map_err(|error| explained(error, template, workers))
        }
    }
}

/// The same, and the path of an example if it is built here and the workspace has it.
pub(crate) async fn binaries_and(
    options: &Options,
    template: &Template,
    workers: &BTreeSet<String>,
    example: Example,
) -> Result<(BTreeMap<String, PathBuf>, Option<PathBuf>), BuildError> {
    let Binaries::Build = options.binaries else {
        return Ok((binaries(options, template, workers).await?, None));
    };
    let workspace = build::workspace_of(&options.template);
    let built = build::build_and(workspace, &names(template, workers), Some(example)).await;
    built.map_err(|error| explained(error, template, workers))
}

fn names(template: &Template, workers: &BTreeSet<String>) -> Vec<String> {
    let names = template.functions.iter().map(|function| binary_of(function, workers));
    names.collect()
}

/// A missing binary of a worker is not one that the template names.
fn explained(error: BuildError, template: &Template, workers: &BTreeSet<String>) -> BuildError {
    let BuildError::Missing { binary, workspace, .. } = &error else {
        return error;
    };
    let mut functions = template.functions.iter();
    let function =
        functions.find(|function| workers.contains(&function.name) && binary_of(function, workers) == *binary);
    match function {
        None => error,
        Some(function) => BuildError::NoWorker {
            function: function.name.clone(),
            binary: binary.clone(),
            workspace: workspace.clone(),
        },
    }
}
