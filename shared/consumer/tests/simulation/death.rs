//! Workers that die or stop while they process a batch.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use consumer::Report;
use tokio::time::{Instant, timeout};

use crate::faults::Fault;
use crate::host::Processing;
use crate::world::{State, World};

/// What becomes of a worker while it processes a batch.
enum Interruption {
    None,
    /// It dies when its future was polled this often.
    DeathAtPoll(usize),
    DeathAfter(Duration),
    /// It is stopped after some time, for this long.
    Stop(Duration, Duration),
}

impl State {
    fn interruption(&mut self, budget: Duration) -> Interruption {
        if self.draws(Fault::CrashAtPoll) {
            return Interruption::DeathAtPoll(self.rng.usize(..24));
        }
        if self.draws(Fault::CrashAtTime) {
            return Interruption::DeathAfter(self.up_to(budget / 2));
        }
        match self.draws(Fault::Stall) {
            true => Interruption::Stop(self.up_to(budget / 2), self.up_to(budget * 4)),
            false => Interruption::None,
        }
    }
}

/// The report, unless the worker dies before: at an await of its own, or at some time. Or it is stopped for a while.
pub(crate) async fn unless_it_dies(
    world: &World,
    worker: usize,
    budget: Duration,
    mut processing: Processing,
) -> Option<Report> {
    let interruption = world.state().interruption(budget);
    let (report, fault) = match interruption {
        Interruption::None => return Some(processing.await),
        Interruption::DeathAtPoll(polls) => (until_poll(processing, polls).await, Fault::CrashAtPoll),
        Interruption::DeathAfter(time) => (timeout(time, processing).await.ok(), Fault::CrashAtTime),
        Interruption::Stop(after, length) => {
            if let Ok(report) = timeout(after, &mut processing).await {
                return Some(report);
            }
            {
                let mut state = world.state();
                state.happened(Fault::Stall);
                state.note(format_args!("w{worker} is stopped for {length:?}"));
                state.workers[worker].stalled_until = Some(Instant::now() + length);
            }
            world.pause(worker, Duration::ZERO).await;
            return Some(processing.await);
        }
    };
    if report.is_none() {
        world.state().happened(fault);
    }
    report
}

/// The report, unless it takes more polls than this. Every second time the future is dropped in the poll that sent a request,
/// otherwise in the one that would have got the answer.
async fn until_poll(mut processing: Processing, polls: usize) -> Option<Report> {
    let mut polled = 0;
    let report = poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match processing.as_mut().poll(context) {
            Poll::Ready(report) => Poll::Ready(Some(report)),
            Poll::Pending if polled == polls && polls.is_multiple_of(2) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    report.await
}
