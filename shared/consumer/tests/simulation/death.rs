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
enum Fate {
    Lives,
    /// It dies when its future was polled this often.
    DiesAtPoll(usize),
    DiesAfter(Duration),
    /// It is stopped after some time, for this long.
    Stops(Duration, Duration),
}

impl State {
    fn fate_of_worker(&mut self, budget: Duration) -> Fate {
        if self.draws(Fault::CrashAtPoll) {
            return Fate::DiesAtPoll(self.rng.usize(..24));
        }
        if self.draws(Fault::CrashAtTime) {
            return Fate::DiesAfter(self.up_to(budget / 2));
        }
        match self.draws(Fault::Stall) {
            true => Fate::Stops(self.up_to(budget / 2), self.up_to(budget * 4)),
            false => Fate::Lives,
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
    let fate = world.state().fate_of_worker(budget);
    let (report, fault) = match fate {
        Fate::Lives => return Some(processing.await),
        Fate::DiesAtPoll(polls) => (until_poll(processing, polls).await, Fault::CrashAtPoll),
        Fate::DiesAfter(time) => (timeout(time, processing).await.ok(), Fault::CrashAtTime),
        Fate::Stops(after, length) => {
            if let Ok(report) = timeout(after, &mut processing).await {
                return Some(report);
            }
            {
                let mut state = world.state();
                state.happened(Fault::Stall);
                state.note(format_args!("w{worker} is stopped for {length:?}"));
                state.attempts[worker].stalled_until = Some(Instant::now() + length);
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
