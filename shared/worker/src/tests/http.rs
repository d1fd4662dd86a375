//! Health and metrics over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use consumer::{InjectedFault, MemorySource, SourceOperation};
use tokio::net::TcpListener;

use super::bench::{Bench, pass};
use super::live::shared;
use super::log::PERMANENT;
use super::open_metrics::is_valid;
use crate::health;
use crate::poll;

/// Status and body. Time does not pass meanwhile.
async fn get(address: SocketAddr, path: &'static str) -> (u16, String) {
    let response = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    });
    let response = response.await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test(start_paused = true)]
async fn health_and_metrics_are_served() {
    let bench = Bench::new(MemorySource::new());
    let shared = shared();
    let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = bound.local_addr().unwrap();
    tokio::spawn(health::serve(bound, shared.health.clone(), shared.metrics.clone()));
    assert_eq!(get(address, "/ready").await.0, 503, "not before its queue is polled");
    let running = tokio::spawn(poll::run(bench.queue(), 0, shared.clone()));
    (0..5).for_each(|number| bench.send(&format!("m-{number}"), 100, &[]));
    bench.send("twice", 100, &[2000]);
    bench.send("never", 100, &[PERMANENT]);
    bench.send("slow", 1000, &[]);
    bench.fail(SourceOperation::Settle, InjectedFault::EntryFails(0), 1);
    bench.deletes_all(8).await;
    bench.send("running", 100_000, &[]);
    pass(2.0).await;
    assert_eq!(get(address, "/live").await, (200, "live\n".to_owned()));
    assert_eq!(get(address, "/ready").await.0, 200);
    assert_eq!(get(address, "/other").await.0, 404);
    let (status, metrics) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    is_valid(&metrics);
    for line in [
        "worker_messages_total{queue=\"memory\",outcome=\"done\"} 7",
        "worker_messages_total{queue=\"memory\",outcome=\"failed\"} 1",
        "worker_messages_total{queue=\"memory\",outcome=\"rejected\"} 1",
        "worker_messages_total{queue=\"memory\",outcome=\"duplicate\"} 0",
        "worker_queue_errors_total{queue=\"memory\",operation=\"settle\"} 1",
        "worker_queue_errors_total{queue=\"memory\",operation=\"receive\"} 0",
        "worker_messages_in_flight{queue=\"memory\"} 1",
        "worker_handler_seconds_count{queue=\"memory\"} 9",
        "worker_handler_Handled_total{queue=\"memory\"} 9.0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
    // No label has a value for each message.
    let before = metrics.lines().count();
    (10..100).for_each(|number| bench.send(&format!("m-{number}"), 0, &[]));
    bench.deletes_all(98).await;
    assert_eq!(get(address, "/metrics").await.1.lines().count(), before);
    shared.health.stops(crate::DEFAULT_DRAIN);
    shared.stop.at(tokio::time::Instant::now());
    shared.stopping.cancel();
    assert_eq!(get(address, "/ready").await.0, 503, "not during the stop");
    assert_eq!(get(address, "/live").await.0, 200);
    running.await.unwrap().unwrap();
}
