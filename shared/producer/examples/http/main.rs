//! An HTTP application that accepts orders, enqueues them, and shows what has become of them. Its page is `README.md`.

mod app;
mod callers;
mod client_key;
mod location;
mod order;
mod place;
mod problem;
mod records;
mod serve;
mod settings;
mod show;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::process::ExitCode;

use consumer::Chain;
use idempotency::DynamoDbStore;
use producer::Producer;
use sqs::Sqs;
use tokio::net::TcpListener;

use crate::app::App;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    host::start_logging();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", Chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    aws::load_roots()?;
    let settings = Settings::from_env()?;
    let config = aws::sdk_config(settings.request_timeout).await;
    let queues = Sqs::new(aws_sdk_sqs::Client::new(&config));
    let app = App {
        producer: Producer::new(queues, settings.orders_queue),
        records: DynamoDbStore::new(aws_sdk_dynamodb::Client::new(&config), settings.table),
        callers: settings.callers,
    };
    let listen = &settings.listen;
    let listener = TcpListener::bind(listen).await;
    let listener =
        listener.map_err(|error| format!("environment variable LISTEN: can't listen at {listen}: {error}"))?;
    // Before anyone can know that it runs: a signal that comes earlier would kill it.
    let stop = serve::stop()?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    // A worker in this process would start here and stop with `stop`. The page says why that is the least recommended way.
    let drained = serve::serve(listener, app::router(app), stop, serve::DRAIN).await?;
    match drained {
        true => tracing::info!("stopped: every request was answered"),
        false => tracing::warn!(
            "stopped: requests were cut off that took longer than {:?}",
            serve::DRAIN
        ),
    }
    Ok(())
}
