//! `local send`: sends messages from files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cli::say;
use local::messages::{Queue, read};

use crate::{EndpointArgs, Outcome};

#[derive(Args)]
pub(crate) struct SendArgs {
    /// The queue's name
    queue: String,
    /// An SQS event, as under events/, whose records are sent, or any other file: the body of one message
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

pub(crate) async fn run(args: SendArgs) -> Outcome {
    // All files are read before anything is sent.
    let files = args.files.iter().map(|path| Ok((path, read(path)?)));
    let files = files.collect::<Result<Vec<_>, String>>()?;
    let endpoint = args.endpoint.of("SQS")?;
    let queue = Queue::find(&endpoint, &args.queue).await?;
    for (path, messages) in files {
        let sent = queue.send(&messages).await;
        for id in sent.map_err(|why| format!("{}: {why}", path.display()))? {
            say!("{id} {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}
