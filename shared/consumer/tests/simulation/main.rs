//! Whole deliveries, simulated on virtual time: the real processing and the real ledger over a queue, a store and a network that
//! fail, and workers that die, stop and have wrong clocks.
//!
//! All that happens in a history follows from its seed, so a history that breaks a promise can be repeated:
//!
//! ```sh
//! SIMULATION_SEED=4711 cargo test -p consumer --test simulation replay -- --nocapture
//! ```
//!
//! Nothing else has an influence. The code under test gets the time of day from its host, and waits on the runtime's clock, which
//! is paused. Its random delays come from the generator of the thread, which is seeded. Owner tokens are random, but it only
//! compares them; a trace numbers them.
//!
//! Each history has some kinds of faults, until it is calm: then each message must come to its end. The promises are checked
//! after each step and at the end. `.ci/simulation` runs many more histories than `cargo test`. `mutants` shows that the
//! simulation notices what it should.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "all of this is tests"
)]

mod death;
mod facts;
mod faults;
mod handler;
mod history;
mod host;
mod mutants;
mod network;
mod plan;
mod promises;
mod queue;
mod queues;
mod run;
mod settled;
mod store;
mod world;

use crate::history::{History, happen};
use crate::mutants::Mutant;

/// How many histories `cargo test` runs.
const HISTORIES: u64 = 1000;

/// A number that is set in the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("a whole number expected in {name}, got {text:?}")))
}

/// Fails with the whole history if it broke a promise.
fn check(history: &History) {
    let Some(violation) = &history.violation else { return };
    panic!(
        "\n{}\nhistory {} broke {}\n  {}\n\nSIMULATION_SEED={} cargo test -p consumer --test simulation replay -- --nocapture\n",
        history.trace, history.seed, violation.promise, violation.detail, history.seed
    );
}

#[test]
fn histories_keep_all_promises() {
    let histories = number("SIMULATION_HISTORIES").unwrap_or(HISTORIES);
    let report = run::run(number("SIMULATION_FIRST_SEED").unwrap_or(0), histories);
    println!("{report}");
    report.failed.iter().for_each(check);
    // Fewer, on request, need not have all kinds of faults.
    let missing = report.missing();
    assert!(
        histories < HISTORIES || missing.is_empty(),
        "too rare to show anything: {missing:#?}"
    );
}

#[test]
fn replay_of_the_stated_seed_keeps_all_promises() {
    let history = happen(number("SIMULATION_SEED").unwrap_or(0), None);
    println!("{}", history.trace);
    check(&history);
}

#[test]
#[should_panic(expected = "SIMULATION_SEED=0 cargo test -p consumer")]
fn failed_history_states_how_to_repeat_it() {
    check(&happen(0, Some(Mutant::AcknowledgesRetries)));
}

#[test]
fn report_without_a_kind_of_fault_is_refused() {
    let missing = run::run(0, 1).missing();
    assert!(
        missing.contains(&"fault: store outage: 0 of at least 1".to_owned()),
        "{missing:?}"
    );
}

#[test]
fn history_is_the_same_each_time() {
    for seed in 0..100 {
        let mutant = (seed % 2 == 0).then_some(Mutant::AcknowledgesRetries);
        let other = std::thread::spawn(move || happen(seed, mutant).trace);
        let (one, other) = (happen(seed, mutant).trace, other.join().unwrap());
        assert!(one.lines().count() > 5, "{one}");
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.len(), other.len(), "seed {seed}");
    }
}

#[test]
fn clocks_within_the_promised_second_are_allowed() {
    assert_eq!(consumer::CLOCK_MARGIN, promises::SKEW);
}
