//! The local stack's command line.

mod demo;
mod invoke;
mod send;
mod up;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use local::{Binaries, DEFAULT_PORT, Options};

/// The whole stack on one machine: SQS queues, DynamoDB tables and Lambda functions as template.yaml names them, without an
/// account, Docker or anything installed but Rust.
#[derive(Parser)]
#[command(name = "local", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send the sample orders and notifications through the real functions, make life hard for them, and check what is
    /// promised; exit status 0 only if all of it held
    Demo(TemplateArgs),
    /// Run the stack until Ctrl-C
    Up(up::UpArgs),
    /// Send messages to a queue of a running stack
    Send(send::SendArgs),
    /// Invoke a function of a running stack, and print its response
    Invoke(invoke::InvokeArgs),
}

/// Which template, and what it leaves open.
#[derive(Args)]
struct TemplateArgs {
    /// The SAM template that says what runs
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// A value for one of the template's parameters; may be given again for others
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = name_and_value)]
    parameters: Vec<(String, String)>,
}

impl TemplateArgs {
    fn options(self, port: u16, endpoint_url: Option<String>) -> Options {
        Options {
            template: self.template,
            parameters: BTreeMap::from_iter(self.parameters),
            port,
            endpoint_url,
            binaries: Binaries::Build,
        }
    }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The stack that a command talks to.
#[derive(Args)]
struct EndpointArgs {
    /// Where the stack is, or another emulator, or AWS
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", default_value_t = format!("http://127.0.0.1:{DEFAULT_PORT}"))]
    endpoint_url: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(args) => demo::run(args).await,
        Command::Up(args) => up::run(args).await,
        Command::Send(args) => send::run(args).await,
        Command::Invoke(args) => invoke::run(args).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}
