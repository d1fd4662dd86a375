//! `local up --on-premises`: workers and the HTTP application on RabbitMQ and PostgreSQL until Ctrl-C.

use std::path::Path;

use cli::Stop;
use local::{OnPremises, Options};
use tokio::sync::mpsc::unbounded_channel;

use crate::Outcome;
use crate::up::{Screen, shutdown};

pub(crate) async fn run(options: Options, raw: bool, stop: &mut Stop) -> Outcome {
    let (observer, mut events) = unbounded_channel();
    let data = options.data.clone();
    let running = tokio::select! {
        started = OnPremises::start(options, observer) => started?,
        code = stop.requested() => return Ok(code),
    };
    let mut screen = Screen::start(raw);
    screen.line(introduction(&running, data.as_deref()));
    loop {
        tokio::select! {
            Some(event) = events.recv() => screen.show(&event),
            _ = stop.requested() => break,
        }
    }
    shutdown(running.shutdown(), events, screen, stop).await
}

fn introduction(running: &OnPremises, data: Option<&Path>) -> String {
    let mut lines = vec!["Everything is up on RabbitMQ and PostgreSQL".to_owned()];
    for worker in running.workers().iter() {
        lines.push(format!(
            "  queue {} -> worker {}, health and metrics: http://{}/live, /ready, /metrics",
            worker.queue, worker.function, worker.health
        ));
    }
    let receivers = running.template().urls.iter();
    lines.extend(receivers.map(|url| format!("  receiver {url} at {}", running.endpoint())));
    if let Some(data) = data {
        lines.push(format!("  queues and tables are kept in {}", data.display()));
    }
    if let Some(application) = running.application() {
        lines.push(format!(
            "  HTTP application at http://{application}\n\nTo place an order:\n"
        ));
        lines.push(format!("  curl -i http://{application}/orders {ORDER}"));
        lines.push(format!(
            "\nTo see what has become of it, at the location in the answer:\n\n  curl -i http://{application}/orders/LOCATION {CALLER}"
        ));
    }
    if let Some(first) = running.workers().iter().next() {
        lines.push("\nFor a program of your own, and for the operator's commands:\n".to_owned());
        lines.push(format!(
            "  export ORDERS_QUEUE_URL='{}'",
            running.queue_url(&first.queue)
        ));
        lines.push(format!("  export DATABASE_URL='{}'", running.database_url()));
    }
    lines.push("\nTo look at the queues and the ledger:\n".to_owned());
    lines.push(format!("  {}", running.list_queues()));
    lines.push(format!("  {}", running.show_ledger()));
    lines.push("\nLogs and messages are below, times in UTC. Ctrl-C stops.\n".to_owned());
    lines.join("\n")
}

const CALLER: &str = "-H 'Authorization: Bearer token-of-ada'";

/// One that the HTTP application accepts.
const ORDER: &str = "-H 'Authorization: Bearer token-of-ada' \\\n    -H 'Idempotency-Key: o-1' --json \
                     '{\"id\":\"o-1\",\"customer\":\"eve@example.com\",\"items\":[{\"sku\":\"tea\",\"quantity\":2,\
                     \"price\":350}],\"amount\":700}'";
