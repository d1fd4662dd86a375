//! The promises, as properties of the model. Their numbers are those of the documentation.

use idempotency::Status;
use stateright::Property;

use crate::step::Step;
use crate::system::System;
use crate::world::{Entry, Place, Reply, Request, Try, Verdict, World};

pub(crate) const LIVENESS: &str = "every message ends, done or in the dead-letter queue";

/// Name and number of each promise that a step can break.
pub(crate) const NAMES: [(u8, &str); 7] = [
    (2, "promise 2: a holder whose claim was taken over can change nothing"),
    (3, "promise 3: a completed record is not replaced before it expires"),
    (
        4,
        "promise 4: a request sent again is answered as if the first reply had arrived",
    ),
    (5, "promise 5: only work that is done is acknowledged"),
    (
        6,
        "promise 6: writes are applied at most once while the record is retained",
    ),
    (7, "promise 7: no handler runs without a claim in the ledger"),
    (8, "promise 8: a key with another payload is an error"),
];
pub(crate) const ONE_HOLDER: &str = "promise 1: at most one holder of an unexpired lease";

pub(crate) fn all() -> Vec<Property<System>> {
    vec![
        Property::always(ONE_HOLDER, |_, world| holders(world) <= 1),
        Property::always(NAMES[0].1, |_, world| kept(world, 2)),
        Property::always(NAMES[1].1, |_, world| kept(world, 3)),
        Property::always(NAMES[2].1, |_, world| kept(world, 4)),
        Property::always(NAMES[3].1, |_, world| kept(world, 5)),
        Property::always(NAMES[4].1, |_, world| kept(world, 6)),
        Property::always(NAMES[5].1, |_, world| kept(world, 7)),
        Property::always(NAMES[6].1, |_, world| kept(world, 8)),
        Property::eventually(LIVENESS, |_, world: &World| {
            world.messages.iter().all(|message| message.place != Place::Queue)
        }),
        // The model reaches what it is about.
        Property::sometimes("work is done", |_, world: &World| {
            world
                .messages
                .iter()
                .any(|message| message.place == Place::Acknowledged)
        }),
    ]
}

fn kept(world: &World, promise: u8) -> bool {
    !world.seen.broken.contains(&promise)
}

/// How many workers rely on a lease before their deadlines.
fn holders(world: &World) -> usize {
    let holders = world.workers.iter().filter_map(|worker| worker.phase.holder());
    holders.filter(|by| world.time <= by.deadline).count()
}

/// Checks what a request did: promises 2, 3, 4, 6, 7 and 8.
pub(crate) fn check_step(
    world: &mut World,
    by: &Try,
    request: Request,
    before: Option<Entry>,
    applied: Option<Option<Entry>>,
    step: &Step,
) {
    let takes = matches!(request, Request::Claim | Request::Commit);
    let seen = &mut world.seen;
    if step.changed && !takes && seen.taken_over.contains(&by.id) {
        seen.breaks(2);
    }
    if applied == Some(before) && step.reply != Reply::Done {
        seen.breaks(4);
    }
    if request == Request::Claim && step.reply == Reply::Done && step.record.is_none_or(|record| record.owner != by.id)
    {
        seen.breaks(7);
    }
    if let Some(before) = before {
        check_existing(world, by, takes, before, step);
    }
    let seen = &mut world.seen;
    if step.changed && takes {
        // Granted anew, for example by a claim that arrived late.
        seen.taken_over.retain(|attempt| *attempt != by.id);
        let rival = before.filter(|before| before.status() == Status::InProgress && before.owner != by.id);
        if let Some(rival) = rival {
            seen.taken_over.push(rival.owner);
            seen.taken_over.sort_unstable();
            seen.taken_over.dedup();
        }
    }
    if step.changed && matches!(request, Request::Complete | Request::Commit) && !seen.committed.contains(&by.payload) {
        seen.committed.push(by.payload);
        seen.committed.sort_unstable();
    }
}

/// Checks what a request made of the existing record.
fn check_existing(world: &mut World, by: &Try, takes: bool, before: Entry, step: &Step) {
    // Which claims and records have expired is decided by the clock of who takes them over.
    let retained = !takes || before.expires >= by.now;
    let seen = &mut world.seen;
    if before.status() == Status::Completed && retained && step.changed {
        seen.breaks(3);
        if step.record.is_some_and(|record| record.status() == Status::Completed) {
            seen.breaks(6);
        }
    }
    let other_payload = before.payload.is_some() && before.payload != by.payload;
    if takes && other_payload && retained && step.reply != Reply::OtherPayload {
        seen.breaks(8);
    }
}

/// Promise 5.
pub(crate) fn check_verdict(world: &mut World, payload: Option<&'static str>, verdict: Verdict) {
    if verdict == Verdict::Done && !world.seen.committed.contains(&payload) {
        world.seen.breaks(5);
    }
}
