//! What may happen in a state, and what it leads to.

use stateright::{Model, Property};

use crate::promises;
use crate::step::{Decide, Step, step};
use crate::world::{Entry, Faults, Message, Phase, Place, Reply, Request, Seen, Tick, Try, Verdict, Worker, World};

/// A model to explore.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) decide: Decide,
    /// How far the clock of each worker may be ahead: an initial state for each combination.
    pub(crate) skews: Vec<Vec<Tick>>,
    /// The payload of each message; all have one key. `None`: the key is the message's own.
    pub(crate) payloads: Vec<Option<&'static str>>,
    pub(crate) receives: u8,
    pub(crate) faults: Faults,
    /// Whether the key is claimed before the work; otherwise the work is committed in one step.
    pub(crate) claims: bool,
    pub(crate) extends: bool,
    /// Whether the queue moves a message that was received too often.
    pub(crate) moves: bool,
    pub(crate) end: Tick,
}

/// The time that a worker has for a message.
const BUDGET: Tick = 2;
/// How much later than the deadline a lease ends: [`consumer::CLOCK_MARGIN`] is as long as a tick.
pub(crate) const MARGIN: Tick = 1;
/// How long a record is retained: so short that it expires in the model.
const RETENTION: Tick = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Tick,
    /// The database deletes an expired record.
    TimeToLive,
    /// The queue delivers a message to a worker.
    Receive {
        worker: usize,
        message: usize,
    },
    /// A request is applied, and answered.
    Answer(usize),
    /// A request is applied, and its reply is lost: it is sent again.
    LoseReply(usize),
    /// A request is lost: it is sent again.
    LoseRequest(usize),
    /// A request takes so long that its sender sends it again.
    Delay(usize),
    /// Such a request arrives.
    Arrive(usize),
    /// The worker stops waiting at its deadline.
    GiveUp(usize),
    /// The handler ends in this way.
    Settle(usize, Request),
    /// The worker acts on its verdict.
    Act(usize),
    Crash(usize),
    /// The queue moves a message that was received too often.
    Move(usize),
}

impl Model for System {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let message = Message {
            receives: self.receives,
            place: Place::Queue,
        };
        let world = |skews: &Vec<Tick>| World {
            time: 0,
            record: None,
            messages: vec![message; self.payloads.len()],
            workers: skews
                .iter()
                .map(|skew| Worker {
                    skew: *skew,
                    phase: Phase::Idle,
                })
                .collect(),
            strays: Vec::new(),
            faults: self.faults,
            attempts: 0,
            seen: Seen::default(),
        };
        self.skews.iter().map(world).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.time < self.end {
            actions.push(Action::Tick);
        }
        if world.record.is_some_and(|record| record.expires < world.time) {
            actions.push(Action::TimeToLive);
        }
        for (at, message) in world.messages.iter().enumerate() {
            let busy = world.workers.iter().any(|worker| worker.phase.message() == Some(at));
            if self.moves && message.place == Place::Queue && message.receives == 0 && !busy {
                actions.push(Action::Move(at));
            }
        }
        actions.extend((0..world.strays.len()).map(Action::Arrive));
        for (at, worker) in world.workers.iter().enumerate() {
            self.worker_actions(world, at, worker, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => next.time += 1,
            Action::TimeToLive => next.record = None,
            Action::Move(message) => next.messages[message].place = Place::DeadLetterQueue,
            Action::Receive { worker, message } => self.receive(&mut next, worker, message),
            Action::Arrive(at) => {
                let (by, request) = next.strays.remove(at);
                self.apply(&mut next, &by, request, None);
            }
            Action::Settle(worker, request) => next.workers[worker].ask(request),
            Action::Act(worker) => act(&mut next, worker),
            Action::Crash(worker) => {
                next.faults.crashes -= 1;
                next.workers[worker].phase = Phase::Idle;
            }
            Action::GiveUp(worker) => next.workers[worker].phase = Phase::Idle,
            Action::Answer(worker)
            | Action::LoseReply(worker)
            | Action::LoseRequest(worker)
            | Action::Delay(worker) => {
                self.send(&mut next, worker, action);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}

impl System {
    fn worker_actions(&self, world: &World, at: usize, worker: &Worker, actions: &mut Vec<Action>) {
        match worker.phase {
            Phase::Idle => {
                let deliverable =
                    |(_, message): &(usize, &Message)| message.receives > 0 && message.place != Place::DeadLetterQueue;
                let deliverable = world.messages.iter().enumerate().filter(deliverable);
                actions.extend(deliverable.map(|(message, _)| Action::Receive { worker: at, message }));
                return;
            }
            Phase::Running(by) => {
                let requests = [Request::Complete, Request::Release, Request::Reject];
                actions.extend(requests.map(|request| Action::Settle(at, request)));
                // A beat that would end where the lease ends already is not sent.
                let lease_end = world.time + worker.skew + BUDGET + MARGIN;
                if self.extends && lease_end > by.lease_end && world.time <= by.deadline {
                    let deadline = world.time + BUDGET;
                    actions.push(Action::Settle(at, Request::Extend { lease_end, deadline }));
                }
            }
            Phase::Asking { by, .. } => {
                actions.push(Action::Answer(at));
                if world.faults.losses > 0 {
                    actions.extend([Action::LoseReply(at), Action::LoseRequest(at)]);
                }
                if world.faults.delays > 0 {
                    actions.push(Action::Delay(at));
                }
                if world.time >= by.deadline {
                    actions.push(Action::GiveUp(at));
                }
            }
            Phase::Decided { .. } => actions.push(Action::Act(at)),
        }
        if world.faults.crashes > 0 {
            actions.push(Action::Crash(at));
        }
    }

    fn receive(&self, world: &mut World, worker: usize, message: usize) {
        world.messages[message].receives -= 1;
        let now = world.time + world.workers[worker].skew;
        let by = Try {
            id: world.attempts,
            message,
            payload: self.payloads[message],
            now,
            lease_end: now + BUDGET + MARGIN,
            deadline: world.time + BUDGET,
        };
        world.attempts += 1;
        let request = if self.claims { Request::Claim } else { Request::Commit };
        world.workers[worker].phase = Phase::Asking {
            by,
            request,
            applied: None,
        };
    }

    /// A request on its way, and what comes of it.
    fn send(&self, world: &mut World, worker: usize, action: Action) {
        let Phase::Asking { by, request, applied } = world.workers[worker].phase else {
            return;
        };
        match action {
            Action::LoseRequest(_) => world.faults.losses -= 1,
            Action::Delay(_) => {
                world.faults.delays -= 1;
                world.strays.push((by, request));
            }
            Action::LoseReply(_) => {
                world.faults.losses -= 1;
                let step = self.apply(world, &by, request, applied);
                let applied = if step.changed { Some(step.record) } else { applied };
                world.workers[worker].phase = Phase::Asking { by, request, applied };
            }
            _ => {
                let step = self.apply(world, &by, request, applied);
                world.workers[worker].phase = answered(by, request, step.reply);
            }
        }
    }

    /// Applies a request to the record, and checks the promises about requests.
    fn apply(&self, world: &mut World, by: &Try, request: Request, applied: Option<Option<Entry>>) -> Step {
        let before = world.record;
        let step = step(self.decide, RETENTION, before.as_ref(), by, request);
        world.record = step.record;
        promises::check_step(world, by, request, before, applied, &step);
        step
    }
}

impl Worker {
    fn ask(&mut self, request: Request) {
        if let Phase::Running(by) = self.phase {
            self.phase = Phase::Asking {
                by,
                request,
                applied: None,
            };
        }
    }
}

/// What a worker does after a reply, as the consumer does.
fn answered(by: Try, request: Request, reply: Reply) -> Phase {
    let decided = |verdict| Phase::Decided {
        message: by.message,
        payload: by.payload,
        verdict,
    };
    match (request, reply) {
        (Request::Claim, Reply::Done) => Phase::Running(by),
        (Request::Extend { lease_end, deadline }, Reply::Done) => Phase::Running(Try {
            lease_end: lease_end.max(by.lease_end),
            deadline,
            ..by
        }),
        (Request::Complete | Request::Commit, Reply::Done) | (_, Reply::Completed) => decided(Verdict::Done),
        (Request::Reject, Reply::Done) | (_, Reply::Rejected | Reply::OtherPayload) => decided(Verdict::Rejected),
        (Request::Release, Reply::Done) | (_, Reply::Lost | Reply::InProgress) => Phase::Idle,
    }
}

fn act(world: &mut World, worker: usize) {
    let Phase::Decided {
        message,
        payload,
        verdict,
    } = world.workers[worker].phase
    else {
        return;
    };
    promises::check_verdict(world, payload, verdict);
    world.workers[worker].phase = Phase::Idle;
    let place = match verdict {
        Verdict::Done => Place::Acknowledged,
        Verdict::Rejected => Place::DeadLetterQueue,
    };
    // A copy may be rejected after the message was acknowledged. Both are ends.
    world.messages[message].place = place;
}
