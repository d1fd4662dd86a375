//! The handler.

use std::future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use consumer::{Delivery, Envelope, Failure, Handler, IdempotencyKey, Mode, Received};
use idempotency::{Completion, OutgoingMessage};

use crate::{Action, Effects, Kind, Refused, Script};

/// A handler that performs the actions of each message.
pub struct Scripted<K, E> {
    /// What it records, writes and sends.
    pub effects: E,
    kind: PhantomData<K>,
}

impl<K, E> Scripted<K, E> {
    /// A handler with these effects.
    pub fn with(effects: E) -> Self {
        Self {
            effects,
            kind: PhantomData,
        }
    }
}

impl<K, E: Default> Scripted<K, E> {
    /// A handler with new effects, to be shared with the test.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::with(E::default()))
    }
}

impl<K: Kind, E: Effects> Handler for Scripted<K, E> {
    type Message = Script;
    type Write = E::Write;
    const NAMESPACE: &'static str = "scripted";
    const MODE: Mode = K::MODE;
    const ENVELOPE: Envelope = K::ENVELOPE;
    const TIMEOUT: Option<Duration> = K::TIMEOUT;
    const HOLD_GROUP: bool = K::HOLD_GROUP;

    fn key(&self, script: &Script, _: &Received) -> IdempotencyKey {
        K::key(script)
    }

    async fn handle(&self, script: Script, delivery: &Delivery) -> Result<Completion<E::Write>, Failure> {
        run(&script, &self.effects, delivery).await
    }
}

/// Performs the script's action for this delivery.
///
/// # Errors
///
/// The action's failure, or that of the effects.
pub async fn run<E: Effects>(
    script: &Script,
    effects: &E,
    delivery: &Delivery,
) -> Result<Completion<E::Write>, Failure> {
    effects.started(delivery).await?;
    let result = perform(script.action(delivery.receive_count()), effects, delivery).await;
    effects.ended();
    result
}

async fn perform<E: Effects>(
    action: Action,
    effects: &E,
    delivery: &Delivery,
) -> Result<Completion<E::Write>, Failure> {
    let written = |refused| Ok::<_, Failure>(Completion::new().write(effects.write(refused, delivery)?));
    match action {
        Action::Done => {}
        Action::Take(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Action::WhenReleased => effects.released().await?,
        Action::Write => return written(Refused::AlreadyDone),
        Action::WriteOnce => return written(Refused::Permanent),
        Action::PanicInRefusal => return written(Refused::Panic),
        Action::Send => return Ok(send(Completion::new(), effects.outgoing()?)),
        Action::WriteAndSend => return Ok(send(written(Refused::AlreadyDone)?, effects.outgoing()?)),
        Action::SendInvalid => return Ok(send(Completion::new(), with_bodies(effects, ["fine", ""])?)),
        Action::WriteAndSendInvalid => {
            return Ok(send(
                written(Refused::AlreadyDone)?,
                with_bodies(effects, ["fine", ""])?,
            ));
        }
        Action::WriteAndSendTooMuch => {
            let much = "x".repeat(400 * 1024);
            return Ok(send(written(Refused::AlreadyDone)?, with_bodies(effects, [&*much])?));
        }
        Action::Retry => return Err(Failure::retry("not today")),
        Action::RetryAfter(seconds) => return Err(Failure::retry_after(Duration::from_secs(seconds), "not yet")),
        Action::Permanent => return Err(Failure::permanent("not ever")),
        #[expect(clippy::panic, reason = "the message requests it")]
        Action::Panic | Action::PanicInDecoding(_) => panic!("at the disco"),
        Action::Hang => future::pending().await,
    }
    Ok(Completion::new())
}

fn send<W>(done: Completion<W>, messages: Vec<OutgoingMessage>) -> Completion<W> {
    messages.into_iter().fold(done, Completion::send)
}

/// Messages with these bodies, to the queue of the first outgoing message.
fn with_bodies<const N: usize>(effects: &impl Effects, bodies: [&str; N]) -> Result<Vec<OutgoingMessage>, Failure> {
    let outgoing = effects.outgoing()?;
    let queue = outgoing.first().map(OutgoingMessage::queue_url).unwrap_or_default();
    Ok(Vec::from(bodies.map(|body| OutgoingMessage::new(queue, body))))
}
