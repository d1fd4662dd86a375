//! One history, from its seed to its end.

use std::sync::Arc;
use std::time::Duration;

use consumer::QueueMessage;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::host::dispatch;
use crate::mutants::Mutant;
use crate::plan::Plan;
use crate::promises::{NONE_LOST, Violation};
use crate::world::{Counts, State, World};

/// How long after the last fault every message must have ended: longer than all scripts, leases and delays together.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What a history came to.
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) trace: String,
    pub(crate) steps: u64,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<Violation>,
}

/// The history of this seed: the same each time.
pub(crate) fn happen(seed: u64, mutant: Option<Mutant>) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    // The jitter of retries and delays.
    fastrand::seed(seed);
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let (plan, rng) = Plan::draw(seed, mutant);
        let world = World::new(plan, rng);
        world.state().describe();
        spawn_local(produce(Arc::clone(&world)));
        for function in 0..2 {
            spawn_local(dispatch(Arc::clone(&world), function));
        }
        ends(&world).await;
        let mut state = world.state();
        History {
            seed,
            trace: std::mem::take(&mut state.trace),
            steps: state.steps,
            counts: std::mem::take(&mut state.counts),
            violation: state.violation.take(),
        }
    })
}

/// Sends the orders.
async fn produce(world: Arc<World>) {
    let (started, orders) = {
        let state = world.state();
        (state.started, state.plan.orders.clone())
    };
    for order in orders {
        sleep_until(started + order.at).await;
        let mut state = world.state();
        let function = state.plan.functions[0].clone();
        let body = order.content.map(|content| serde_json::to_string(&content).unwrap());
        let message = QueueMessage {
            body: body.unwrap_or_else(|| "{\"order\":".to_owned()),
            attributes: Default::default(),
            group: Some(format!("g{}", order.group)),
            deduplication_id: Some(order.deduplication_id),
            trace_header: None,
        };
        state.enqueue(&function, &message);
        drop(state);
        world.changed.notify_waiters();
    }
    world.state().pending -= 1;
    world.changed.notify_waiters();
}

/// Waits until all messages have ended and nothing is under way, or a promise is broken.
async fn ends(world: &World) {
    let limit = {
        let state = world.state();
        state.started + state.plan.calm_at + PATIENCE
    };
    loop {
        let changed = world.changed.notified();
        {
            let mut state = world.state();
            if state.violation.is_some() {
                return;
            }
            if state.has_ended() {
                return state.check_end();
            }
            if Instant::now() >= limit {
                let left = state.left();
                return state.broken(NONE_LOST, format!("an hour after the last fault, {left}"));
            }
        }
        let _ = timeout_at(limit, changed).await;
    }
}

impl State {
    fn describe(&mut self) {
        let plan = self.plan.clone();
        for function in &plan.functions {
            self.note(format_args!("{function:?}"));
            self.count(match (function.ordered, function.kind) {
                (false, _) => "queue: standard",
                (true, _) => "queue: ordered",
            });
        }
        self.note(format_args!(
            "seed {}, no fault after {:?}, {:?}",
            plan.seed, plan.calm_at, plan.rates
        ));
        let kind = plan.functions[0].kind;
        self.count(crate::plan::MODES[kind as usize]);
    }

    fn has_ended(&self) -> bool {
        self.pending == 0
            && self
                .plan
                .functions
                .iter()
                .all(|function| self.queues[function.queue].is_empty())
    }

    fn left(&self) -> String {
        let messages = self
            .plan
            .functions
            .iter()
            .flat_map(|function| &self.queues[function.queue].messages);
        let left: Vec<_> = messages
            .filter(|it| it.gone.is_none())
            .map(|it| it.id.as_str())
            .collect();
        format!(
            "messages {left:?} are still in their queues, and {} requests are under way",
            self.pending
        )
    }
}
