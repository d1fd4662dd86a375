//! The local stack's command line.

mod env;
mod invoke;
mod lambda;
mod new;
mod on_premises;
mod printer;
mod rebuild;
mod receiver;
mod send;
mod up;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use cli::Stop;
use local::{DEFAULT_PORT, EndpointOverride, Options};

/// SQS queues, DynamoDB tables and Lambda functions of template.yaml, on this machine alone.
///
/// No account, no Docker, nothing installed but Rust; for --on-premises, RabbitMQ and PostgreSQL.
#[derive(Parser)]
#[command(name = "local", version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 something is wrong, 2 wrong usage, 130 interrupted by Ctrl-C (143 by SIGTERM).";

#[derive(Subcommand)]
enum Command {
    /// Write a function to begin with
    ///
    /// Its package with tests, its section of the template, the parameters of all stages, and a sample event:
    ///
    ///   local new charge-card --mode claim --http --table charges
    ///
    /// Either everything is written or nothing. What exists is never overwritten. With --remove-samples, the sample functions
    /// go, once the project has a function of its own.
    #[command(verbatim_doc_comment)]
    New(new::NewArgs),
    /// Run the stack until Ctrl-C
    ///
    /// Ctrl-C or SIGTERM finishes messages in process and ends everything, with exit status 0; a second one ends it at once.
    Up(up::UpArgs),
    /// Send messages to a queue of a running stack
    Send(send::SendArgs),
    /// Invoke a function of a running stack, and print its response
    Invoke(invoke::InvokeArgs),
    /// Show what functions sent to a receiver, or set its next answers
    ///
    /// A running stack has a receiver for each parameter of the template whose name ends in Url, unless the parameter has a
    /// value or a default. It accepts every request, unless it has other answers:
    ///
    ///   local receiver NotificationUrl --status 503 --retry-after 5 --times 3
    #[command(verbatim_doc_comment)]
    Receiver(receiver::ReceiverArgs),
    /// Print the environment of a running stack's function, for running it by other means
    ///
    /// Lines of NAME=VALUE, as `cargo lambda watch --env-file` and shells read them.
    Env(env::EnvArgs),
}

/// Which template, and the values of its parameters.
#[derive(Args)]
struct TemplateArgs {
    /// The SAM template that names what runs
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// A value for one of the template's parameters; repeat it for others
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = name_and_value)]
    parameters: Vec<(String, String)>,
}

impl TemplateArgs {
    fn options(self, port: u16, endpoint_override: Option<EndpointOverride>) -> Options {
        Options {
            parameters: BTreeMap::from_iter(self.parameters),
            port,
            endpoint_override,
            ..Options::new(self.template)
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
    /// Where the stack, or an emulator, is [default: $AWS_ENDPOINT_URL or http://127.0.0.1:4566]
    #[arg(long, value_name = "URL", value_parser = cli::http_url)]
    endpoint_url: Option<String>,
}

impl EndpointArgs {
    /// Where the service is, found as AWS's own tools find it.
    fn of(self, service: &str) -> Result<String, String> {
        let url = cli::endpoint_url(service, self.endpoint_url.as_deref())?;
        Ok(url.unwrap_or_else(|| format!("http://127.0.0.1:{DEFAULT_PORT}")))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    match run(command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Outcome {
    let mut stop = Stop::listen()?;
    match command {
        Command::New(args) => new::run(args),
        Command::Up(args) => up::run(args, &mut stop).await,
        Command::Send(args) => or_stopped(send::run(args), &mut stop).await,
        Command::Invoke(args) => or_stopped(invoke::run(args), &mut stop).await,
        Command::Receiver(args) => or_stopped(receiver::run(args), &mut stop).await,
        Command::Env(args) => or_stopped(env::run(args), &mut stop).await,
    }
}

async fn or_stopped(command: impl Future<Output = Outcome>, stop: &mut Stop) -> Outcome {
    tokio::select! {
        outcome = command => outcome,
        code = stop.requested() => Ok(code),
    }
}

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// An error and its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes: Vec<_> = cli::causes(error).map(ToString::to_string).collect();
    causes.join(": ")
}
