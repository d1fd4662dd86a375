//! `local new`: changes the functions of the workspace.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cli::say;
use local::{Removed, remove_samples};

use crate::Outcome;

#[derive(Args)]
pub(crate) struct NewArgs {
    /// Remove the sample functions
    #[arg(long, required = true)]
    remove_samples: bool,
    /// The folder of the workspace
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    workspace: PathBuf,
}

/// Prints what was removed, and what is to be done next.
pub(crate) fn run(args: &NewArgs) -> Outcome {
    if args.remove_samples {
        report(&remove_samples(&args.workspace, &[])?);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(removed: &Removed) {
    let Removed {
        functions,
        paths,
        parameters,
        texts,
    } = removed;
    say!("removed {}:", functions.join(", "));
    for path in paths {
        say!("  {path}");
    }
    if !parameters.is_empty() {
        say!("  the parameters {} of template.yaml", parameters.join(", "));
    }
    say!("  parts of {}", texts.join(", "));
    say!("Next: cargo test --workspace, then review and commit the changes.");
    say!(
        "Stacks that are deployed keep the samples' queues and tables: see shared/lambda/README.md, section 'Remove'."
    );
}
