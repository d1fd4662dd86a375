//! A model of workers, clocks and a network around the real decision, explored in every order of events.
//!
//! Each test prints how many states it explored and how deep. `mutants` shows that the model notices what it should: the
//! decision without one of its conditions breaks a promise.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "all of this is tests"
)]

mod mutants;
mod promises;
mod step;
mod system;
mod world;

use stateright::{Checker, Model};

use crate::system::{MARGIN, System};
use crate::world::{Faults, Tick};

/// Each combination of clocks that are this far apart.
fn skews(workers: usize, apart: Tick) -> Vec<Vec<Tick>> {
    // Only differences count, and workers are alike: the first is ahead, or the last.
    let mut ahead = vec![vec![0; workers]; 2];
    ahead[0][workers - 1] = apart;
    ahead[1][0] = apart;
    ahead.push(vec![0; workers]);
    ahead.dedup();
    ahead
}

fn two_workers() -> System {
    System {
        decide: idempotency::decide,
        skews: skews(2, MARGIN),
        payloads: vec![None],
        receives: 2,
        faults: Faults {
            crashes: 1,
            losses: 1,
            delays: 1,
        },
        claims: true,
        extends: false,
        moves: true,
        end: 5,
    }
}

/// Explores all states. Prints their number, so that a model that lost most of its states is noticed.
fn explore(name: &str, system: System) -> impl Checker<System> {
    let checker = system.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} transitions, depth {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker
}

#[test]
fn claims_of_two_workers_keep_all_promises() {
    explore("claims", two_workers()).assert_properties();
}

#[test]
fn extended_leases_keep_all_promises() {
    let system = System {
        extends: true,
        end: 4,
        ..two_workers()
    };
    explore("extended leases", system).assert_properties();
}

#[test]
fn commits_in_one_step_keep_all_promises() {
    let system = System {
        claims: false,
        receives: 3,
        ..two_workers()
    };
    explore("one step", system).assert_properties();
}

#[test]
fn key_of_two_payloads_keeps_all_promises() {
    let system = System {
        payloads: vec![Some("a"), Some("b")],
        receives: 1,
        ..two_workers()
    };
    explore("two payloads", system).assert_properties();
}

#[test]
fn claims_of_three_workers_keep_all_promises() {
    let system = System {
        skews: skews(3, MARGIN),
        faults: Faults {
            crashes: 0,
            losses: 1,
            delays: 0,
        },
        receives: 3,
        end: 4,
        ..two_workers()
    };
    explore("three workers", system).assert_properties();
}

/// Nine million states and more: minutes with optimization. `.ci/model` runs it.
#[test]
#[ignore = "takes minutes: .ci/model runs it"]
fn larger_models_keep_all_promises() {
    let system = System {
        receives: 3,
        end: 6,
        ..two_workers()
    };
    explore("claims, three receives", system).assert_properties();
    let system = System {
        extends: true,
        end: 6,
        ..two_workers()
    };
    explore("extended leases, longer", system).assert_properties();
}
