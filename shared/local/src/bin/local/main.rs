//! The local stack's command line.

mod demo;
mod env;
mod invoke;
mod lambda;
mod send;
mod stop;
mod up;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::http::Uri;
use clap::{Args, Parser, Subcommand};
use local::{DEFAULT_PORT, Elsewhere, Options};

use crate::stop::Stop;

/// Prints a line. Whoever reads it may have gone (`local demo | head`); what is done does not depend on them.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(crate) use say;

/// SQS queues, DynamoDB tables and Lambda functions as template.yaml names them, on this machine alone.
///
/// No account, no Docker, nothing installed but Rust.
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
    /// Send sample messages through the real functions, make life hard for them, check what is promised
    ///
    /// It takes some 20 seconds. Exit status 0 only if every promise held.
    Demo {
        /// The SAM template that says what runs
        #[arg(long, value_name = "FILE", default_value = "template.yaml")]
        template: PathBuf,
    },
    /// Run the stack until Ctrl-C
    ///
    /// Ctrl-C or SIGTERM lets running batches end, then ends everything, with exit status 0; a second one ends it at once.
    Up(up::UpArgs),
    /// Send messages to a queue of a running stack
    Send(send::SendArgs),
    /// Invoke a function of a running stack, and print its response
    Invoke(invoke::InvokeArgs),
    /// Print the environment of a running stack's function, for running it by other means
    ///
    /// Lines of NAME=VALUE, as `cargo lambda watch --env-file` and shells read them.
    Env(env::EnvArgs),
}

/// Which template, and what it leaves open.
#[derive(Args)]
struct TemplateArgs {
    /// The SAM template that says what runs
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// A value for one of the template's parameters; repeat it for others
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = name_and_value)]
    parameters: Vec<(String, String)>,
}

impl TemplateArgs {
    fn options(self, port: u16, elsewhere: Option<Elsewhere>) -> Options {
        Options {
            parameters: BTreeMap::from_iter(self.parameters),
            port,
            elsewhere,
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
    #[arg(long, value_name = "URL", value_parser = http_url)]
    endpoint_url: Option<String>,
}

impl EndpointArgs {
    /// Where the service is, found as AWS's own tools find it.
    fn of(self, service: &str) -> Result<String, String> {
        if let Some(url) = self.endpoint_url {
            return Ok(url);
        }
        let mut variables = [format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL".to_owned()].into_iter();
        let set = variables.find_map(|name| Some((std::env::var(&name).ok().filter(|url| !url.is_empty())?, name)));
        match set {
            Some((url, name)) => http_url(&url).map_err(|why| format!("{name} is no URL of a service: {url:?}; {why}")),
            None => Ok(format!("http://127.0.0.1:{DEFAULT_PORT}")),
        }
    }
}

/// The URL of a service, without the slash that it may end with.
fn http_url(text: &str) -> Result<String, String> {
    let is_one = |url: Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none();
    match text.parse().is_ok_and(is_one) {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err(format!("write it as http://127.0.0.1:{DEFAULT_PORT}")),
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
        Command::Demo { template } => demo::run(template, &mut stop).await,
        Command::Up(args) => up::run(args, &mut stop).await,
        Command::Send(args) => or_stopped(send::run(args), &mut stop).await,
        Command::Invoke(args) => or_stopped(invoke::run(args), &mut stop).await,
        Command::Env(args) => or_stopped(env::run(args), &mut stop).await,
    }
}

async fn or_stopped(command: impl Future<Output = Outcome>, stop: &mut Stop) -> Outcome {
    tokio::select! {
        outcome = command => outcome,
        code = stop.told() => Ok(code),
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

/// Why nothing came of a request. Of the error only what lies at its bottom is of use to the reader.
fn unreachable(endpoint: &str, error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(error) = deepest.source() {
        deepest = error;
    }
    format!(
        "no answer from {endpoint} ({deepest}): start the stack with `cargo run -p local -- up`, or name another with \
         --endpoint-url"
    )
}
