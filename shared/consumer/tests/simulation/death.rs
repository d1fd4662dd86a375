//! Workers that die or stop while they process a batch.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use consumer::Report;
use tokio::time::{Instant, timeout};

use crate::faults::Fault;
use crate::host::Processing;
use crate::world::World;

/// The report, unless the worker dies before: at an await of its own, or at some time. Or it is stopped for a while.
pub(crate) async fn unless_it_dies(
    world: &World,
    worker: usize,
    budget: Duration,
    mut processing: Processing,
) -> Option<Report> {
    let (polls, dies_after, stall) = {
        let mut state = world.state();
        let polls = state.occurs(Fault::CrashAtPoll).then(|| state.rng.usize(..40));
        let dies_after = state.occurs(Fault::CrashAtTime).then(|| state.up_to(budget));
        let stall = state
            .occurs(Fault::Stall)
            .then(|| (state.up_to(budget), state.up_to(budget * 4)));
        (polls, dies_after, stall)
    };
    if let Some(polls) = polls {
        let mut polled = 0;
        let report = poll_fn(|context| {
            if polled == polls {
                return Poll::Ready(None);
            }
            polled += 1;
            match processing.as_mut().poll(context) {
                Poll::Ready(report) => Poll::Ready(Some(report)),
                // Every second time it dies at once, with its request just sent; otherwise when there is an answer.
                Poll::Pending if polled == polls && polls % 2 == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        return report.await;
    }
    if let Some(dies_after) = dies_after {
        return timeout(dies_after, processing).await.ok();
    }
    if let Some((after, length)) = stall {
        if let Ok(report) = timeout(after, &mut processing).await {
            return Some(report);
        }
        {
            let mut state = world.state();
            state.note(format_args!("w{worker} is stopped for {length:?}"));
            state.attempts[worker].stalled_until = Some(Instant::now() + length);
        }
        world.pause(worker, Duration::ZERO).await;
    }
    Some(processing.await)
}
