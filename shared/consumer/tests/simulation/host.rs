//! The simulated host: receives batches, runs the real code on them, and acts on the verdicts, unless it dies first.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Incoming, MessageId, Report, RetryDelays, Services, Verdict, process_batch, process_one};
use tokio::time::{Instant, sleep, timeout_at};

use crate::death::unless_it_dies;
use crate::faults::Fault;
use crate::handler::{Claiming, Confirming, Holding, KindOf, Limited, Natural, OneStep, Simulated};
use crate::mutants::Mutant;
use crate::plan::{Function, Kind};
use crate::promises::SKEW;
use crate::queue::{Copies, Received};
use crate::queues::SimulatedQueues;
use crate::settled::reserved;
use crate::store::SimulatedStore;
use crate::world::{BEGINNING, State, Worker, World};

/// Receives the messages of a function, as often as there are some and a worker is free.
pub(crate) async fn dispatch(world: Arc<World>, function: usize) {
    let workers = Arc::new(tokio::sync::Semaphore::new(
        world.state().plan.functions[function].workers,
    ));
    loop {
        let free = Arc::clone(&workers).acquire_owned().await.unwrap();
        let pause = world.state().up_to(Duration::from_millis(300));
        sleep(pause).await;
        let received = world.state().receive(function);
        if received.is_empty() {
            drop(free);
            wait(&world, function).await;
            continue;
        }
        let worker = world.state().begin(function);
        let world = Arc::clone(&world);
        tokio::task::spawn_local(async move {
            invoke(&world, worker, received).await;
            world.state().pending -= 1;
            drop(free);
            world.changed.notify_waiters();
        });
    }
}

/// Waits until a message may be visible.
async fn wait(world: &World, function: usize) {
    let changed = world.changed.notified();
    let next = {
        let state = world.state();
        let next = state.queues[state.plan.functions[function].queue].next_visible();
        next.map(|at| (state.started + at).max(Instant::now() + Duration::from_millis(1)))
    };
    match next {
        Some(next) => drop(timeout_at(next, changed).await),
        None => changed.await,
    }
}

impl State {
    fn receive(&mut self, function: usize) -> Vec<Received> {
        let copies = Copies {
            invisible: self.draws(Fault::Duplicate),
            twice: self.draws(Fault::DuplicateInBatch),
        };
        let (now, most, function) = (
            self.now(),
            self.rng.usize(1..=10),
            self.plan.functions[function].clone(),
        );
        let queue = self.queues.get_mut(function.queue).unwrap();
        let (received, moved) = queue.receive(&mut self.rng, now, most, copies);
        let mut ids = BTreeSet::new();
        for one in &received {
            match ids.insert(one.message) {
                true if one.is_copy => self.happened(Fault::Duplicate),
                true => {}
                false => self.happened(Fault::DuplicateInBatch),
            }
        }
        if self.plan.mutant == Some(Mutant::DeletesAtReceive) {
            received
                .iter()
                .for_each(|one| self.queues.get_mut(function.queue).unwrap().delete(*one));
        }
        for at in moved {
            let id = self.queues[function.queue].messages[at].id.clone();
            self.note(format_args!("{}: {id} was received too often: moved", function.queue));
            self.count("event: moved by the redrive policy");
        }
        received
    }

    /// A worker begins.
    fn begin(&mut self, function: usize) -> usize {
        let (apart, name) = match self.plan.beyond {
            true => (SKEW * 30, "fault: clock skew beyond the margin"),
            false => (SKEW, "fault: clock skew"),
        };
        let ahead = [Duration::ZERO, apart, self.up_to(apart)][self.rng.usize(..3)];
        if ahead > Duration::ZERO {
            self.count(name);
        }
        self.pending += 1;
        self.workers.push(Worker {
            function,
            ahead,
            started: Instant::now(),
            stalled_until: None,
        });
        self.workers.len() - 1
    }

    fn incoming(&self, function: &Function, received: Received) -> Incoming {
        let message = &self.queues[function.queue].messages[received.message];
        Incoming {
            attributes: message.attributes.clone(),
            group: message.group.clone(),
            deduplication_id: message.deduplication_id.clone(),
            queue: Some(function.queue.to_owned()),
            receive_count: received.receives,
            sent_at: Some(BEGINNING.plus(message.sent_at)),
            ..Incoming::new(MessageId::new(&message.id).unwrap(), &message.body)
        }
    }

    fn id(&self, function: &Function, received: Received) -> String {
        self.queues[function.queue].messages[received.message].id.clone()
    }
}

pub(crate) type Processing = Pin<Box<dyn Future<Output = Report>>>;

/// One batch in one worker.
async fn invoke(world: &Arc<World>, worker: usize, received: Vec<Received>) {
    let (function, budget, processing) = {
        let mut state = world.state();
        let function = state.plan.functions[state.workers[worker].function].clone();
        let now = state.time().plus(state.workers[worker].ahead);
        let ids: Vec<_> = received
            .iter()
            .map(|it| (state.id(&function, *it), it.receives))
            .collect();
        let ahead = state.workers[worker].ahead;
        state.note(format_args!("w{worker} receives {ids:?}, its clock {ahead:?} ahead"));
        let messages: Vec<_> = received.iter().map(|it| state.incoming(&function, *it)).collect();
        let total = match state.plan.mutant {
            Some(Mutant::BudgetTooLong) => function.budget * 2,
            _ => function.budget,
        };
        let budget = Budget::new(now, now.plus(total)).with_reserved(reserved(total));
        let processing = processing(world, &mut state, worker, &function, messages, budget.clone());
        (function, budget, processing)
    };
    let Some(report) = unless_it_dies(world, worker, function.budget, processing).await else {
        return world.state().note(format_args!("w{worker} dies"));
    };
    let lost = {
        let mut state = world.state();
        state.check_in_time(worker, |ends| ends.verdicts);
        state.check_sent_again(worker);
        state.count_report(&report);
        state.check_verdicts(worker, &function, &received, &report.verdicts);
        state.occurs(Fault::VerdictsLost)
    };
    if lost {
        return world.state().note(format_args!("w{worker}: its verdicts are lost"));
    }
    for (received, verdict) in received.into_iter().zip(report.verdicts) {
        let pause = world.state().up_to(Duration::from_millis(20));
        world.pause(worker, pause).await;
        world.state().act(worker, &function, received, verdict, &budget);
    }
}

/// The real code, at work on a batch.
fn processing(
    world: &Arc<World>,
    state: &mut State,
    worker: usize,
    function: &Function,
    messages: Vec<Incoming>,
    budget: Budget,
) -> Processing {
    let orders = state.workers[worker].function == 0;
    let ordered = function.ordered && state.plan.mutant != Some(Mutant::OrderIgnored);
    let holds_no_group = state.plan.mutant == Some(Mutant::HoldsNoGroup);
    let store = SimulatedStore {
        world: Arc::clone(world),
        worker,
    };
    let queues = SimulatedQueues {
        world: Arc::clone(world),
        worker,
    };
    let delays = RetryDelays {
        first: None,
        longest: Duration::from_secs(60),
    };
    let services = Services::new(store, queues)
        .with_dead_letter_queue(function.dead_letters)
        .with_retry_delays(delays);
    let services = match state.plan.retention {
        Some(retention) => services.with_retention(retention),
        None => services,
    };
    let services = match last_receive(function, state.plan.mutant) {
        Some(receives) => services.with_max_receive_count(receives),
        None => services,
    };
    let batch = (Arc::clone(world), worker, services, messages, ordered, budget);
    match (orders, function.kind) {
        (true, Kind::Claiming) => run::<Claiming>(batch),
        (true, Kind::Limited) => run::<Limited>(batch),
        (true, Kind::Holding) if holds_no_group => run::<Claiming>(batch),
        (true, Kind::Holding) => run::<Holding>(batch),
        (true, Kind::OneStep) => run::<OneStep>(batch),
        (true, Kind::Natural) => run::<Natural>(batch),
        (false, Kind::OneStep) => run::<Confirming<OneStep>>(batch),
        (false, _) => run::<Confirming<Claiming>>(batch),
    }
}

/// Which receive is the last one of a message, as the workers of a function know it.
fn last_receive(function: &Function, mutant: Option<Mutant>) -> Option<NonZeroU32> {
    let receives = function.max_receives.filter(|_| function.states_limit)?;
    NonZeroU32::new(match mutant {
        Some(Mutant::DeadLettersEarly) => receives - 1,
        _ => receives,
    })
}

type Batch = (
    Arc<World>,
    usize,
    Services<SimulatedStore, SimulatedQueues>,
    Vec<Incoming>,
    bool,
    Budget,
);

fn run<K: KindOf>((world, worker, services, mut messages, ordered, budget): Batch) -> Processing {
    let handler = Arc::new(Simulated::<K> {
        world,
        worker,
        kind: PhantomData,
    });
    Box::pin(async move {
        if messages.len() != 1 {
            return process_batch(&handler, &services, messages, ordered, &budget).await;
        }
        let message = messages.remove(0);
        let (verdict, summary, metrics) = process_one(&handler, &services, message, ordered, &budget).await;
        Report {
            verdicts: vec![verdict],
            summary,
            metrics,
        }
    })
}

impl State {
    fn count_report(&mut self, report: &Report) {
        let summary = &report.summary;
        for (name, count) in [
            ("outcome: done", summary.done),
            ("outcome: duplicate", summary.duplicate),
            ("outcome: in progress", summary.in_progress),
            ("outcome: failed", summary.failed),
            ("outcome: rejected", summary.rejected),
            ("outcome: not started", summary.not_started),
            ("event: lost lease", summary.lost_leases),
        ] {
            self.count_all(name, count.into());
        }
    }

    fn check_verdicts(&mut self, worker: usize, function: &Function, received: &[Received], verdicts: &[Verdict]) {
        for (received, verdict) in received.iter().zip(verdicts) {
            let id = self.id(function, *received);
            self.note(format_args!("w{worker} {id}: {verdict:?}"));
            if self.plan.mutant == Some(Mutant::AcknowledgesRetries) || verdict.is_acknowledged() {
                self.check_acknowledged(worker, &id, *verdict != Verdict::Rejected);
                self.queues.get_mut(function.queue).unwrap().messages[received.message].acknowledged = true;
            }
        }
    }

    /// Does with a message what its verdict states.
    fn act(&mut self, worker: usize, function: &Function, received: Received, verdict: Verdict, budget: &Budget) {
        let (id, now) = (self.id(function, received), self.now());
        if let Some(why) = self.refusal(function, received, verdict) {
            self.count(why);
            return self.note(format_args!("{}: w{worker}, {id}: {why}", function.queue));
        }
        let until = match verdict {
            Verdict::Done | Verdict::Rejected if self.plan.mutant == Some(Mutant::NeverDeletes) => return,
            Verdict::Done | Verdict::Rejected if self.occurs(Fault::DeleteLost) => return,
            Verdict::Done | Verdict::Rejected if !function.ordered && self.occurs(Fault::Undeleted) => {
                now + self.up_to(Duration::from_secs(60))
            }
            Verdict::Done | Verdict::Rejected => {
                self.note(format_args!("{}: {id} is deleted", function.queue));
                return self.queues.get_mut(function.queue).unwrap().delete(received);
            }
            Verdict::Retry { at: None } => return,
            Verdict::Retry { .. } if self.occurs(Fault::DelayLost) => return,
            // In whole seconds, as SQS counts.
            Verdict::Retry { at: Some(at) } => {
                now + Duration::from_secs(budget.now().until(at).as_millis().div_ceil(1000) as u64)
            }
        };
        self.queues.get_mut(function.queue).unwrap().hide(received, until);
    }

    /// Why the queue refuses what a verdict requests. A standard queue may delete a message by an old receipt.
    fn refusal(&mut self, function: &Function, received: Received, verdict: Verdict) -> Option<&'static str> {
        let (now, queue) = (self.now(), &self.queues[function.queue]);
        let deletes = verdict.is_acknowledged();
        let (is_latest, is_in_flight) = (queue.is_latest(received), queue.is_in_flight(received, now));
        let is_gone = queue.messages[received.message].gone.is_some();
        if !is_latest && (is_gone || function.ordered || !deletes || self.rng.bool()) {
            return Some("event: old receipt");
        }
        if !is_latest {
            self.count("event: deletion by an old receipt");
            return None;
        }
        let refused = !is_in_flight && (function.ordered || !deletes);
        refused.then_some("event: expired receipt")
    }
}
