//! What a message of `validate_order` costs without Lambda and without a database: processing, and the protocol of the ledger on
//! a store in memory. It prints a line of JSON for each mode and kind of message; CPU is that of the whole process.
//!
//! `in_process BATCHES`

#[path = "validate_order/order.rs"]
mod order;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use consumer::{Budget, Handler, Incoming, MessageId, Services, Verdict, process_batch};
use idempotency::{NoWrites, Timestamp};
use serde_json::json;

use crate::order::ValidateOrder;

const BATCH: usize = 10;

/// Batches before those that count.
const WARM_UP: usize = 20;

type Failed = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match measure().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<(), Failed> {
    let usage = "usage: in_process BATCHES, a number above 0";
    let batches = env::args().nth(1).and_then(|batches| batches.parse().ok());
    let batches = batches.filter(|batches| *batches > 0).ok_or(usage)?;
    cost("claim then complete", ValidateOrder::<false>, batches).await?;
    cost("one step", ValidateOrder::<true>, batches).await
}

async fn cost<H: Handler<Write = NoWrites>>(mode: &str, handler: H, batches: usize) -> Result<(), Failed> {
    let (handler, services) = (Arc::new(handler), Services::in_memory());
    for messages in ["warm-up", "fresh", "duplicate"] {
        let (from, count) = match messages {
            "warm-up" => (0, WARM_UP),
            _ => (WARM_UP, batches),
        };
        // Built before the clock starts: on Lambda the host reads them from the event.
        let built: Vec<_> = (from..).take(count).map(batch).collect::<Result<_, _>>()?;
        let (mut latencies, cpu) = (Vec::with_capacity(count), cpu()?);
        for batch in built {
            let start = Instant::now();
            let now = Timestamp::now();
            let budget = Budget::new(now, now.plus(Duration::from_secs(60)));
            let report = process_batch(&handler, &services, batch, false, &budget).await;
            if report.verdicts.iter().any(|verdict| *verdict != Verdict::Done) {
                return Err(format!("{messages}: {:?}", report.verdicts).into());
            }
            latencies.push(start.elapsed());
        }
        let cpu = self::cpu()?.saturating_sub(cpu);
        latencies.sort_unstable();
        if messages != "warm-up" {
            let cpu_us = cpu.as_secs_f64() * 1e6 / (count * BATCH) as f64;
            let p50_us = latencies[count / 2].as_secs_f64() * 1e6;
            println!(
                "{}",
                json!({"mode": mode, "messages": messages, "cpu_us": cpu_us, "p50_us": p50_us})
            );
        }
    }
    Ok(())
}

/// The messages of a batch, which has the same ones whenever it is built.
fn batch(number: usize) -> Result<Vec<Incoming>, Failed> {
    (number * BATCH..).take(BATCH).map(message).collect()
}

fn message(number: usize) -> Result<Incoming, Failed> {
    let id = format!("5fea7756-0ea4-451a-a703-{number:012x}");
    let line = |sku: &str, quantity: usize, price: usize| json!({"sku": sku, "quantity": quantity, "price": price});
    let body = json!({
        "id": format!("order-{number:08}"),
        "customer": format!("customer-{:05}", number % 1009),
        "items": [line("SKU-00007", 1, 1999), line("SKU-00042", 2, 450), line("SKU-31337", 1, 12_500)],
        "amount": 1999 + 900 + 12_500,
    });
    Ok(Incoming::new(
        MessageId::new(id).ok_or("an empty message ID")?,
        body.to_string(),
    ))
}

/// User and system time of this process so far.
fn cpu() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    let unreadable = || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/self/schedstat: {text:?}"));
    nanoseconds.map(Duration::from_nanos).ok_or_else(unreadable)
}
