//! `local new`: writes a function to begin with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use cli::say;
use local::{NewFunction, NewMode, Written};

use crate::Outcome;

#[derive(Args)]
pub(crate) struct NewArgs {
    /// The function's name, a verb and a noun: charge-card. Its queue gets the same name
    name: String,
    /// How its work is done once
    #[arg(long, value_enum)]
    mode: ModeArg,
    /// Take messages from a FIFO queue, in order within each message group
    #[arg(long)]
    fifo: bool,
    /// Call a service by HTTP, whose URL is a parameter of the template
    #[arg(long)]
    http: bool,
    /// Write to a table of its own: charges
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
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
    } = args;
    let mode = match mode {
        ModeArg::Claim => NewMode::Claim,
        ModeArg::OneStep => NewMode::OneStep,
        ModeArg::Natural => NewMode::Natural,
    };
    let function = NewFunction {
        name,
        mode,
        fifo,
        http,
        table,
    };
    let written = function.write(&root())?;
    say!("{}", next_steps(&function.name, &written));
    Ok(ExitCode::SUCCESS)
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
