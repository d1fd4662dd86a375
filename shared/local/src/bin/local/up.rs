//! `local up`: the stack until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use cli::{Stop, http_url};
use emulator::lambda::Event;
use local::watch::{LogLines, Watch, timed};
use local::{Binaries, DEFAULT_PORT, EndpointOverride, Sources, Stack, warnings};
use sam::{Mapping, Template};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::printer::Printer;
use crate::rebuild::Rebuild;
use crate::{Outcome, TemplateArgs, on_premises};

#[derive(Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    template: TemplateArgs,
    /// The port to serve on, loopback only; 0: any that is free
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Run what `cargo lambda build` has built: in DIR, or in lambda of cargo's target directory
    #[arg(long, value_name = "DIR")]
    binaries: Option<Option<PathBuf>>,
    /// Run this function as a worker, a process that polls its queue, instead of in Lambda; repeat it for others
    #[arg(long = "worker", value_name = "FUNCTION")]
    workers: Vec<String>,
    /// Run the workers and the HTTP application on RabbitMQ and PostgreSQL, if installed; nothing else runs
    #[arg(long, requires = "workers", conflicts_with_all = ["endpoint_url", "watch"])]
    on_premises: bool,
    /// Build the functions again whenever a source changes; queues and tables stay
    #[arg(long, conflicts_with = "binaries")]
    watch: bool,
    /// Print the functions' log lines as they are, in JSON
    #[arg(long)]
    raw: bool,
    /// Keep tables and queues in DIR, queues when the stack stops [default: in memory]
    #[arg(long, value_name = "DIR", conflicts_with = "endpoint_url")]
    data: Option<PathBuf>,
    /// Use SQS and DynamoDB of another emulator, or `aws`: AWS itself; what is missing there is created
    #[arg(long, value_name = "URL", value_parser = url_or_aws)]
    endpoint_url: Option<String>,
    /// The account that they are in [default: 000000000000; AWS itself needs yours]
    #[arg(
        long,
        value_name = "ID",
        requires = "endpoint_url",
        required_if_eq("endpoint_url", AWS)
    )]
    account: Option<String>,
}

/// Instead of a URL: AWS itself.
const AWS: &str = "aws";

fn url_or_aws(text: &str) -> Result<String, String> {
    match text {
        AWS => Ok(AWS.to_owned()),
        url => http_url(url).map_err(|why| format!("{why}, or {AWS}")),
    }
}

impl UpArgs {
    fn endpoint_override(&self) -> Option<EndpointOverride> {
        let account = self.account.clone().unwrap_or_default();
        self.endpoint_url.as_deref().map(|url| match url {
            AWS => EndpointOverride::aws(&account),
            url if account.is_empty() => EndpointOverride::emulator(url),
            url => EndpointOverride {
                account,
                ..EndpointOverride::emulator(url)
            },
        })
    }
}

pub(crate) async fn run(args: UpArgs, stop: &mut Stop) -> Outcome {
    let (observer, mut events) = unbounded_channel();
    let (services, endpoint_override) = (args.endpoint_url.clone(), args.endpoint_override());
    let (template, watched) = (args.template.template.clone(), args.watch);
    let samples = template.with_file_name("events");
    let mut options = args.template.options(args.port, endpoint_override);
    options.binaries = match args.binaries {
        None => Binaries::Build,
        Some(None) => Binaries::CargoLambda,
        Some(Some(directory)) => Binaries::In(directory),
    };
    options.data = args.data.clone();
    options.workers = args.workers;
    if args.on_premises {
        return on_premises::run(options, args.raw, stop).await;
    }
    let started = async {
        // As they are before they are built: what is saved meanwhile is a change.
        let sources = match watched {
            true => Some(Sources::of(&template).await),
            false => None,
        };
        (Stack::start(options, observer).await, sources.transpose())
    };
    let (stack, sources) = tokio::select! {
        (stack, sources) = started => (stack?, sources),
        code = stop.requested() => return Ok(code),
    };
    let mut rebuild = match sources {
        Ok(Some(sources)) => Rebuild::of(sources, &stack),
        Ok(None) => Rebuild::none(),
        Err(error) => {
            stack.shutdown().await;
            return Err(error.into());
        }
    };
    let mut screen = Screen::start(args.raw);
    let introduction = introduction(&stack, services.as_deref(), args.data.as_deref(), &samples);
    screen.line(introduction);
    let lambda = Arc::clone(stack.lambda());
    // Beside the first batches, which are the messages that are there already.
    tokio::spawn(async move { lambda.start_each().await });
    loop {
        tokio::select! {
            biased;
            _ = stop.requested() => break,
            // Before the events that it causes: what is built is reported before what runs then.
            Some(line) = rebuild.line() => screen.line(timed(&line)),
            Some(event) = events.recv() => screen.show(&event),
        }
    }
    drop(rebuild);
    shutdown(stack.shutdown(), events, screen, stop).await
}

/// What is printed.
pub(crate) struct Screen {
    watch: Watch,
    printer: Printer,
}

impl Screen {
    pub(crate) fn start(raw: bool) -> Self {
        Self {
            watch: Watch::new(if raw { LogLines::Raw } else { LogLines::All }),
            printer: Printer::start(std::io::stdout()),
        }
    }

    pub(crate) fn line(&mut self, line: String) {
        self.printer.line(line);
    }

    pub(crate) fn show(&mut self, event: &Event) {
        if let Some(line) = self.watch.line(event) {
            self.printer.line(line);
        }
    }
}

/// Shows what happens until everything has stopped.
pub(crate) async fn shutdown(
    stopping: impl Future<Output = ()>,
    mut events: UnboundedReceiver<Event>,
    mut screen: Screen,
    stop: &mut Stop,
) -> Outcome {
    let line = "stopping: messages in process are finished first; Ctrl-C again to stop at once";
    screen.line(line.to_owned());
    let mut stopping = std::pin::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => break,
            Some(event) = events.recv() => screen.show(&event),
            code = stop.requested() => return Ok(code),
        }
    }
    while let Ok(event) = events.try_recv() {
        screen.show(&event);
    }
    screen.line("stopped".to_owned());
    screen.printer.end();
    Ok(ExitCode::SUCCESS)
}

fn introduction(stack: &Stack, services: Option<&str>, data: Option<&Path>, samples: &Path) -> String {
    let endpoint = stack.endpoint();
    let template = stack.template();
    let mut lines = vec![format!("The local stack is up: {endpoint}")];
    if let Some(services) = services {
        lines.push(format!("  SQS and DynamoDB are those at {services}"));
    }
    lines.extend(resources(stack));
    let warnings = warnings(template).into_iter();
    lines.extend(warnings.map(|warning| format!("  warning: {warning}")));
    if let Some(data) = data {
        lines.push(format!("  tables and queues are kept in {}", data.display()));
    }
    lines.push("\nFor boto3, the AWS CLI and SDKs:\n".to_owned());
    let exports = exports(stack, services).into_iter();
    lines.extend(exports.map(|(name, value)| format!("  export {name}={value}")));
    lines
        .push("\nVersion 1 of the AWS CLI ignores the first for sqs; add --endpoint-url $AWS_ENDPOINT_URL.".to_owned());
    if let Some((queue, sample)) = sample(template, samples) {
        lines.push(format!(
            "\nTo send a message:\n\n  cargo run -p local -- send {queue} {}",
            sample.display()
        ));
    }
    lines.push("\nLogs and batches are below, times in UTC. Ctrl-C stops.\n".to_owned());
    lines.join("\n")
}

/// A line for each resource.
fn resources(stack: &Stack) -> Vec<String> {
    let (template, mut lines) = (stack.template(), Vec::new());
    for mapping in &template.mappings {
        let (queue, function) = (&mapping.queue, &mapping.function);
        let mut workers = stack.workers().iter();
        let worker = workers.find(|worker| worker.function == *function && worker.queue == *queue);
        lines.push(match worker {
            None => format!("  queue {queue} -> function {function}"),
            Some(worker) => {
                let health = format!("health and metrics: http://{}/live, /ready, /metrics", worker.health);
                format!("  queue {queue} -> worker {function}, {health}")
            }
        });
    }
    let unmapped = |name: &str| !template.mappings.iter().any(|mapping| mapping.queue == name);
    for queue in template.queues.iter().filter(|queue| unmapped(&queue.name)) {
        lines.push(format!("  queue {}", queue.name));
    }
    for table in &template.tables {
        lines.push(format!("  table {}", table.name));
    }
    for url in &template.urls {
        lines.push(format!("  receiver {url}"));
    }
    lines
}

/// A queue, and a message that its function takes: the samples of a function are named after its binary, whatever its name.
fn sample<'a>(template: &'a Template, samples: &Path) -> Option<(&'a str, PathBuf)> {
    let of = |mapping: &'a Mapping| {
        let mut functions = template.functions.iter();
        let function = functions.find(|function| function.name == mapping.function)?;
        let file = samples.join(&function.binary).join("valid.json");
        file.exists().then_some((mapping.queue.as_str(), file))
    };
    template.mappings.iter().find_map(of)
}

fn exports(stack: &Stack, services: Option<&str>) -> Vec<(&'static str, String)> {
    let services = services.filter(|services| *services != AWS);
    let mut exports = vec![("AWS_ENDPOINT_URL", services.unwrap_or(stack.endpoint()).to_owned())];
    if services.is_some() {
        exports.push(("AWS_ENDPOINT_URL_LAMBDA", stack.endpoint().to_owned()));
    }
    exports.push(("AWS_REGION", stack.region()));
    exports.push(("AWS_DEFAULT_REGION", stack.region()));
    if services.is_none() || std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        exports.push(("AWS_ACCESS_KEY_ID", "local".to_owned()));
        exports.push(("AWS_SECRET_ACCESS_KEY", "local".to_owned()));
    }
    exports
}
