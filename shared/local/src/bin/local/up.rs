//! `local up`: the stack until Ctrl-C.

use std::process::ExitCode;

use clap::Args;
use local::{DEFAULT_PORT, Stack};
use tokio::sync::mpsc;

use crate::{Outcome, TemplateArgs, watch};

#[derive(Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    template: TemplateArgs,
    /// The port to serve on, loopback only; 0: any that is free
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Use the SQS and DynamoDB at this endpoint (another emulator, or AWS with the environment's credentials) instead of
    /// the stack's own; missing queues and tables are created there
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

pub(crate) async fn run(args: UpArgs) -> Outcome {
    let (observer, mut events) = mpsc::unbounded_channel();
    let services = args.endpoint_url.clone();
    let stack = tokio::select! {
        stack = Stack::start(args.template.options(args.port, args.endpoint_url), observer) => stack?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
    };
    println!("{}", introduction(&stack, services.as_deref()));
    let lines = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Some(line) = watch::line(&event) {
                println!("{line}");
            }
        }
    });
    tokio::signal::ctrl_c().await?;
    println!("stopping: running invocations may end; Ctrl-C again to stop at once");
    tokio::select! {
        () = stack.shutdown() => {}
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
    }
    lines.abort();
    println!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn introduction(stack: &Stack, services: Option<&str>) -> String {
    let endpoint = stack.endpoint();
    let template = stack.template();
    let mut lines = vec![format!("The local stack is up: {endpoint}")];
    for mapping in &template.mappings {
        lines.push(format!("  queue {} -> function {}", mapping.queue, mapping.function));
    }
    let unmapped = |name: &str| !template.mappings.iter().any(|mapping| mapping.queue == name);
    for queue in template.queues.iter().filter(|queue| unmapped(&queue.name)) {
        lines.push(format!("  queue {}", queue.name));
    }
    for table in &template.tables {
        lines.push(format!("  table {}", table.name));
    }
    lines.push(format!(
        "\nFor boto3, the AWS CLI and SDKs:\n\n  export AWS_ENDPOINT_URL={}\n  export AWS_REGION={region}\n  \
         export AWS_DEFAULT_REGION={region}\n  export AWS_ACCESS_KEY_ID=local\n  export AWS_SECRET_ACCESS_KEY=local\n",
        services.unwrap_or(endpoint),
        region = stack.region(),
    ));
    if let Some(mapping) = template.mappings.first() {
        let (queue, function) = (&mapping.queue, &mapping.function);
        lines.push(format!(
            "To send a message:\n\n  cargo run -p local -- send {queue} events/{function}/valid.json\n"
        ));
    }
    lines.push("Each batch is a line below. Ctrl-C stops.\n".to_owned());
    lines.join("\n")
}
