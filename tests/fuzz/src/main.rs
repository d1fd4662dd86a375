//! One program for all targets: `FUZZ_TARGET` names the one to run, and the arguments are libFuzzer's.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

type Property = fn(&[u8]);

/// Each target, named as its folder of seeds.
const TARGETS: [(&str, Property); 8] = [
    ("event", lambda::fuzz::acknowledges_nothing_silently),
    ("body", consumer::fuzz::decodes_as_serde_json_does),
    ("envelope", consumer::fuzz::unwraps_what_the_envelope_contains),
    ("attributes", consumer::fuzz::packs_what_it_unpacks),
    ("original", consumer::fuzz::reads_the_json_it_writes),
    ("record", idempotency::fuzz::reads_what_it_writes),
    ("template", sam::fuzz::is_read_or_refused),
    ("requests", emulator::fuzz::answers_every_request),
];

static PROPERTY: LazyLock<Property> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    match found {
        Some((_, property)) => *property,
        None => panic!(
            "FUZZ_TARGET={name:?} is none of {:?}",
            TARGETS.map(|(target, _)| target)
        ),
    }
});

fuzz_target!(|input: &[u8]| PROPERTY(input));

// Half of the changes are of values and structure. The others are libFuzzer's own, which know what was compared with what.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let rng = &mut fastrand::Rng::with_seed(u64::from(seed));
    if rng.bool() {
        return fuzzer_mutate(data, size, max_size);
    }
    let mutated = hostile::mutate(&data[..size], rng, max_size);
    data[..mutated.len()].copy_from_slice(&mutated);
    mutated.len()
});
