//! Where the binaries of the template's functions come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sam::{Function, Template};

use crate::build::{self, BuildError};
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
    let names = template.functions.iter().map(|function| binary_of(function, workers));
    let names: Vec<_> = names.collect();
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
