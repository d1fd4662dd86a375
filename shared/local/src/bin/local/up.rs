//! `local up`: the stack until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cli::{Stop, http_url};
use emulator::lambda::Event;
use local::{Binaries, DEFAULT_PORT, EndpointOverride, Stack, watch};
use sam::{Function, Mapping, Template};
use tokio::sync::mpsc;

use crate::printer::Printer;
use crate::{Outcome, TemplateArgs};

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
    /// Keep the tables in DIR [default: in memory, where queues always are]
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
    let (observer, mut events) = mpsc::unbounded_channel();
    let (services, endpoint_override) = (args.endpoint_url.clone(), args.endpoint_override());
    let samples = args.template.template.with_file_name("events");
    let mut options = args.template.options(args.port, endpoint_override);
    options.binaries = match args.binaries {
        None => Binaries::Build,
        Some(None) => Binaries::CargoLambda,
        Some(Some(directory)) => Binaries::In(directory),
    };
    options.data = args.data.clone();
    let stack = tokio::select! {
        stack = Stack::start(options, observer) => stack?,
        code = stop.requested() => return Ok(code),
    };
    let mut printer = Printer::start(std::io::stdout());
    printer.line(introduction(
        &stack,
        services.as_deref(),
        args.data.as_deref(),
        &samples,
    ));
    loop {
        tokio::select! {
            Some(event) = events.recv() => show(&event, &mut printer),
            _ = stop.requested() => break,
        }
    }
    printer.line("stopping: running batches end first; Ctrl-C again to stop at once".to_owned());
    let mut stopping = std::pin::pin!(stack.shutdown());
    loop {
        tokio::select! {
            () = &mut stopping => break,
            Some(event) = events.recv() => show(&event, &mut printer),
            code = stop.requested() => return Ok(code),
        }
    }
    while let Ok(event) = events.try_recv() {
        show(&event, &mut printer);
    }
    printer.line("stopped".to_owned());
    printer.end();
    Ok(ExitCode::SUCCESS)
}

fn show(event: &Event, printer: &mut Printer) {
    if let Some(line) = watch::line(event) {
        printer.line(line);
    }
}

fn introduction(stack: &Stack, services: Option<&str>, data: Option<&Path>, samples: &Path) -> String {
    let endpoint = stack.endpoint();
    let template = stack.template();
    let mut lines = vec![format!("The local stack is up: {endpoint}")];
    if let Some(services) = services {
        lines.push(format!("  SQS and DynamoDB are those at {services}"));
    }
    lines.extend(resources(template));
    lines.extend(template.functions.iter().filter_map(slow_requests));
    if let Some(data) = data {
        lines.push(format!("  tables are kept in {}, queues in memory", data.display()));
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
    lines.push("\nEach batch is a line below. Ctrl-C stops.\n".to_owned());
    lines.join("\n")
}

/// A line for each resource, and warnings.
fn resources(template: &Template) -> Vec<String> {
    let mut lines = Vec::new();
    for mapping in &template.mappings {
        lines.push(format!("  queue {} -> function {}", mapping.queue, mapping.function));
        if !mapping.report_batch_item_failures {
            lines.push(format!(
                "    warning: without FunctionResponseTypes: [ReportBatchItemFailures], messages that {} reports as failed \
                 are deleted, here as on AWS",
                mapping.function
            ));
        }
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

/// A warning if a request of this function to DynamoDB or SQS may take as long as its invocation.
fn slow_requests(function: &Function) -> Option<String> {
    const VARIABLE: &str = "REQUEST_TIMEOUT_SECONDS";
    let (request, timeout) = (function.environment.get(VARIABLE)?, function.timeout.as_secs());
    let too_long = request.parse().is_ok_and(|request: u64| request >= timeout);
    too_long.then(|| {
        format!(
            "  warning: {VARIABLE} of {} is {request}, and its Timeout is {timeout} seconds: a request without an answer takes the \
             whole invocation and is never sent again",
            function.name
        )
    })
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
