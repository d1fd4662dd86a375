//! Random histories: whatever fails and whenever it stops, nothing is lost, and no key has two handlers at a time.

use std::time::Duration;

use consumer::{InjectedFault, MemorySource, QueueOrder, SourceOperation};
use fastrand::Rng;
use idempotency::Status;
use tokio::time::Instant;

use super::bench::{Bench, pass};
use super::log::{End, PERMANENT};

const SEEDS: u64 = 200;

/// After the verdict on a cancelled handler: its lease, the margin of clocks, and the jitter of one second.
const LONGEST_HIDDEN: f64 = 30.0 + 1.0 + 1.0;

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_in_random_histories() {
    for seed in 0..SEEDS {
        fastrand::seed(seed);
        let mut random = Rng::with_seed(seed);
        let order = [QueueOrder::Unordered, QueueOrder::Groups, QueueOrder::HeldGroups][random.usize(0..3)];
        let memory = match order {
            QueueOrder::Unordered => MemorySource::new(),
            QueueOrder::Groups => MemorySource::fifo(),
            QueueOrder::HeldGroups => MemorySource::held(),
        };
        let bench = Bench::new(memory).with_concurrency(random.usize(1..=12));
        let messages = random.usize(5..30);
        send_all(&bench, messages, &mut random);
        let worker = bench.start();
        disturb(&bench, order, &mut random).await;
        let stopped = Instant::now();
        let ended = worker.stop().await;
        assert!(ended.is_ok(), "{seed}: {ended:?}");
        assert!(
            stopped.elapsed() <= Duration::from_secs(71),
            "{seed}: {:?}",
            stopped.elapsed()
        );
        nothing_is_lost(&bench, messages, seed);
        if order != QueueOrder::HeldGroups {
            let hidden = bench.left().into_iter().map(|(_, seconds)| seconds);
            hidden.for_each(|seconds| assert!(seconds <= LONGEST_HIDDEN, "{seed}: {:?}", bench.left()));
        }
        // Another worker finishes the rest, after the connection of this one is lost.
        bench.source.open_again();
        if order == QueueOrder::HeldGroups {
            bench.source.0.memory.redeliver();
        }
        let worker = bench.start();
        while bench.source.0.memory.deleted().len() < messages {
            assert!(bench.seconds() < 10_000.0, "{seed}: {:?}", bench.left());
            pass(5.0).await;
        }
        worker.stop().await.unwrap();
        nothing_is_lost(&bench, messages, seed);
        in_order(&bench, order, seed);
    }
}

/// Messages of three groups. Each ID begins with its group.
fn send_all(bench: &Bench, messages: usize, random: &mut Rng) {
    for number in 0..messages {
        let group = ["a", "b", "c"][random.usize(0..3)];
        let ends: Vec<End> = (0..random.usize(0..3))
            .map(|_| match random.u8(0..5) {
                0 => PERMANENT,
                _ => random.i64(0..20_000),
            })
            .collect();
        let millis = match random.bool() {
            true => random.u64(0..500),
            false => random.u64(0..60_000),
        };
        bench.send_to(Some(group), &format!("{group}-{number:02}"), millis, &ends);
    }
}

/// Faults and redeliveries, until a random moment.
async fn disturb(bench: &Bench, order: QueueOrder, random: &mut Rng) {
    for _ in 0..random.usize(0..40) {
        pass(random.f64() * 6.0).await;
        let operation = match random.u8(0..3) {
            0 => SourceOperation::Receive,
            1 => SourceOperation::Extend,
            _ => SourceOperation::Settle,
        };
        let fault = match random.u8(0..6) {
            0 => InjectedFault::Refused,
            1 => InjectedFault::EntryFails(random.usize(0..4)),
            2 => InjectedFault::ReplyLost,
            3 if operation != SourceOperation::Receive => InjectedFault::Hangs,
            _ => InjectedFault::Unavailable,
        };
        match (order, operation, fault) {
            // A queue with order does not skip a message.
            (QueueOrder::Groups, SourceOperation::Receive, InjectedFault::EntryFails(_)) => {}
            // What it sent to a connection that is lost, it sends again.
            (
                QueueOrder::HeldGroups,
                SourceOperation::Receive,
                InjectedFault::EntryFails(_) | InjectedFault::ReplyLost,
            ) => bench.source.0.memory.redeliver(),
            _ => bench.fail(operation, fault, 1),
        }
        if random.u8(0..10) == 0 {
            bench.source.0.memory.redeliver();
        }
    }
}

fn nothing_is_lost(bench: &Bench, messages: usize, seed: u64) {
    assert_eq!(bench.log.violations(), [""; 0], "{seed}");
    let deleted = bench.deleted();
    assert_eq!(deleted.len() + bench.left().len(), messages, "{seed}");
    let dead_letters = bench.dead_letters();
    for id in deleted {
        let is_dead = dead_letters.iter().any(|dead_letter| dead_letter.contains(&id));
        let is_done = bench.status(&id) == Some(Status::Completed);
        assert!(is_done || is_dead, "{seed}: {id} was deleted: {:?}", bench.record(&id));
    }
}

/// The first complete run of a message ends before the first run of the next one of its group begins, unless it was permanent.
fn in_order(bench: &Bench, order: QueueOrder, seed: u64) {
    if !order.is_ordered() {
        return;
    }
    for group in ["a", "b", "c"] {
        let mut firsts = Vec::new();
        for id in bench.log.ids().into_iter().filter(|id| id.starts_with(group)) {
            if !firsts.contains(&id) {
                firsts.push(id);
            }
        }
        assert!(firsts.is_sorted(), "{seed}: {firsts:?}");
    }
}
