//! `local new`: writes a function to begin with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use cli::say;
use local::{NewFunction, NewMode, Removed, Written, remove_samples};

use crate::Outcome;

#[derive(Args)]
pub(crate) struct NewArgs {
    /// The function's name, a verb and a noun: charge-card. Its queue gets the same name
    #[arg(required_unless_present = "remove_samples", requires = "mode")]
    name: Option<String>,
    /// How its work is done once
    #[arg(long, value_enum, requires = "name")]
    mode: Option<ModeArg>,
    /// Take messages from a FIFO queue, in order within each message group
    #[arg(long, requires = "name")]
    fifo: bool,
    /// Call a service by HTTP, whose URL is a parameter of the template
    #[arg(long, requires = "name")]
    http: bool,
    /// Write to a table of its own: charges
    #[arg(long, value_name = "NAME", requires = "name")]
    table: Option<String>,
    /// Remove the sample functions, and what exists for them alone: crates, events, tables, tests, parts of pages
    #[arg(long)]
    remove_samples: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArg {
    /// Claim the key first, then work: for calls and other effects that must not run concurrently
    Claim,
    /// Commit the writes in one transaction with the record: if writes and messages are the only effects
    OneStep,
    /// No ledger: if the effect is the same however often it happens
    Natural,
}

pub(crate) fn run(args: NewArgs) -> Outcome {
    let NewArgs {
        name,
        mode,
        fifo,
        http,
        table,
        remove_samples: removes,
    } = args;
    if let (Some(name), Some(mode)) = (name, mode) {
        let function = NewFunction {
            name,
            mode: mode.into(),
            fifo,
            http,
            table,
        };
        let (written, gone) = match removes {
            true => {
                let (written, gone) = function.write_instead_of_samples(&root())?;
                (written, Some(gone))
            }
            false => (function.write(&root())?, None),
        };
        say!("{}", next_steps(&function.name, &written));
        if let Some(gone) = gone {
            say!("{}", removed(&gone));
        }
    } else {
        say!("{}", removed(&remove_samples(&root())?));
    }
    Ok(ExitCode::SUCCESS)
}

impl From<ModeArg> for NewMode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Claim => Self::Claim,
            ModeArg::OneStep => Self::OneStep,
            ModeArg::Natural => Self::Natural,
        }
    }
}

fn removed(removed: &Removed) -> String {
    let Removed {
        functions,
        paths,
        parameters,
        texts,
    } = removed;
    let parameters = match &parameters[..] {
        [] => String::new(),
        names => format!("  {} in template.yaml and samconfig.toml\n", names.join(", ")),
    };
    format!(
        "Removed {}:\n\n  {}\n{parameters}  parts of {}\n\nRun `cargo test --workspace`, then commit. Deployed stacks keep the samples' queues \
         and tables: shared/lambda/README.md, section 'Remove'.",
        functions.join(", "),
        paths.join("\n  "),
        texts.join(", "),
    )
}

/// The nearest folder, from here up, with a template; else the current one.
fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let with_template = |folder: &&Path| folder.join("template.yaml").is_file();
    here.ancestors().find(with_template).unwrap_or(&here).to_owned()
}

fn next_steps(name: &str, written: &Written) -> String {
    let files: Vec<_> = written
        .files
        .iter()
        .map(|path| format!("  {}\n", path.display()))
        .collect();
    let Written {
        queue, url_parameter, ..
    } = written;
    let url = url_parameter.as_ref().map_or_else(String::new, |parameter| {
        format!("In samconfig.toml, set {parameter} of each stage. Locally, `local receiver {parameter}` shows what arrives.\n")
    });
    let test = format!("cargo test -p {name}");
    let template = "cargo test -p tests --test template";
    format!(
        "Written:\n\n{}\nIt works as it is:\n\n  \
         {test:36} # its tests, also without a network\n  \
         {template:36} # what a deployment needs\n  \
         {:36} # then, in another terminal:\n  \
         cargo run -p local -- send {queue} events/{name}/valid.json\n\n\
         Make it yours: message and handler in functions/{name}/src/lib.rs, the sample event, the tests.\n{url}\
         functions/README.md has the rest.",
        files.concat(),
        "cargo run -p local -- up",
    )
}
