//! The network between workers and services: a request takes effect in its own time, whatever becomes of its sender.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::faults::{Fate, Service};
use crate::world::{State, World};

/// What a sender learns of its request.
pub(crate) enum Reply<T> {
    Answer(T),
    Throttled,
    Refused,
    /// It failed in part: see [`Fate::Partial`].
    Partial,
    /// No answer: it may have taken effect, or may yet.
    Nothing,
}

const USUAL: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_secs(6);
const LATE: Duration = Duration::from_secs(60);

/// Sends a request of a worker's to a service, which serves it when it arrives, once or twice.
pub(crate) async fn request<T: Send + 'static>(
    world: &Arc<World>,
    worker: usize,
    service: Service,
    serve: impl Fn(&mut State) -> T + Send + 'static,
) -> Reply<T> {
    let (fate, there, back, late, never) = {
        let mut state = world.state();
        let fate = state.fate(service);
        let most = if fate == Fate::Slow { LONG } else { USUAL };
        let delays = (state.up_to(most), state.up_to(most), state.up_to(LATE));
        let never = fate == Fate::Hangs || fate == Fate::Outage && state.rng.bool();
        if fate != Fate::Answered {
            state.note(format_args!("w{worker} {service:?} request: {fate:?}"));
        }
        (fate, delays.0, delays.1, delays.2, never)
    };
    let deliveries: &[Duration] = match fate {
        Fate::Throttled | Fate::Partial | Fate::Refused | Fate::Lost | Fate::Outage => &[],
        Fate::Late => &[late],
        Fate::Copied => &[there, late],
        Fate::Answered | Fate::Slow | Fate::ReplyLost | Fate::Hangs => &[there],
    };
    let answer = deliver(world, deliveries, back, serve);
    if never {
        std::future::pending::<()>().await;
    }
    let reply = match fate {
        Fate::Answered | Fate::Slow | Fate::Copied => answer.await.map_or(Reply::Nothing, Reply::Answer),
        _ => {
            sleep(there + back).await;
            match fate {
                Fate::Throttled => Reply::Throttled,
                Fate::Partial => Reply::Partial,
                Fate::Refused => Reply::Refused,
                _ => Reply::Nothing,
            }
        }
    };
    world.pause(worker, Duration::ZERO).await;
    reply
}

/// Serves a request after each of these delays. The first answer returns to its sender after the delay `back`.
pub(crate) fn deliver<T: Send + 'static>(
    world: &Arc<World>,
    deliveries: &[Duration],
    back: Duration,
    serve: impl Fn(&mut State) -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (reply, answer) = oneshot::channel();
    let (world, deliveries) = (Arc::clone(world), deliveries.to_vec());
    world.state().pending += 1;
    tokio::spawn(async move {
        let mut reply = Some(reply);
        for delay in deliveries {
            sleep(delay).await;
            let answer = serve(&mut world.state());
            world.changed.notify_waiters();
            if let Some(reply) = reply.take() {
                sleep(back).await;
                // The sender may be gone.
                let _ = reply.send(answer);
            }
        }
        world.state().pending -= 1;
        world.changed.notify_waiters();
    });
    answer
}
