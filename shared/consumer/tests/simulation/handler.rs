//! The simulated handlers: they follow the script of each message.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use consumer::{Delivery, Failure, Handler, IdempotencyKey, Mode, Received};
use idempotency::{Completion, OutgoingMessage, Refusal};

use crate::mutants::Mutant;
use crate::plan::{Action, Content, KeyOf, NAMESPACES};
use crate::store::{Effect, TOO_LARGE};
use crate::world::World;

/// A kind of handler.
pub(crate) trait KindOf: Send + Sync + 'static {
    const NAMESPACE: &'static str = NAMESPACES[0];
    const MODE: Mode = Mode::ClaimThenComplete;
    const TIMEOUT: Option<Duration> = None;
    const HOLD_GROUP: bool = false;
}

pub(crate) struct Claiming;
impl KindOf for Claiming {}

pub(crate) struct Limited;
impl KindOf for Limited {
    const TIMEOUT: Option<Duration> = Some(Duration::from_millis(1500));
}

pub(crate) struct Holding;
impl KindOf for Holding {
    const HOLD_GROUP: bool = true;
}

pub(crate) struct OneStep;
impl KindOf for OneStep {
    const MODE: Mode = Mode::OneStep;
}

pub(crate) struct Natural;
impl KindOf for Natural {
    const MODE: Mode = Mode::Natural;
}

/// The receiver of confirmations.
pub(crate) struct Confirming<K>(PhantomData<K>);
impl<K: KindOf> KindOf for Confirming<K> {
    const NAMESPACE: &'static str = NAMESPACES[1];
    const MODE: Mode = K::MODE;
}

/// A handler in one worker.
pub(crate) struct Simulated<K> {
    pub(crate) world: Arc<World>,
    pub(crate) worker: usize,
    pub(crate) kind: PhantomData<K>,
}

impl<K: KindOf> Handler for Simulated<K> {
    type Message = Content;
    type Write = Effect;
    const NAMESPACE: &'static str = K::NAMESPACE;
    const MODE: Mode = K::MODE;
    const TIMEOUT: Option<Duration> = K::TIMEOUT;
    const HOLD_GROUP: bool = K::HOLD_GROUP;

    fn key(&self, content: &Content, _: &Received) -> IdempotencyKey {
        match content.key {
            KeyOf::Message => IdempotencyKey::of_message(),
            KeyOf::Business => IdempotencyKey::business(&content.order),
            KeyOf::Deduplication => IdempotencyKey::deduplication_id(),
        }
    }

    async fn handle(&self, content: Content, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        let id = delivery.message_id();
        let (run, action, before, after) = {
            let mut state = self.world.state();
            let (run, action) = state.start(self.worker, id);
            let (before, after) = (
                state.up_to(Duration::from_millis(700)),
                state.up_to(Duration::from_millis(700)),
            );
            (run, action, before, after)
        };
        let _ended = Ended(&self.world, run);
        let after = if action == Action::Overrun {
            Duration::from_secs(90)
        } else {
            after
        };
        self.world.pause(self.worker, before).await;
        {
            let mut state = self.world.state();
            let times = if state.plan.mutant == Some(Mutant::EffectTwice) {
                2
            } else {
                1
            };
            (0..times).for_each(|_| state.effect(self.worker, run));
        }
        self.world.pause(self.worker, after).await;
        let completion = self.result(&content, id, action)?;
        self.world.state().succeeded(self.worker, run);
        Ok(completion)
    }
}

impl<K: KindOf> Simulated<K> {
    fn result(&self, content: &Content, id: &str, action: Action) -> Result<Completion<Effect>, Failure> {
        let refused = match action {
            Action::Retry => return Err(Failure::retry("scripted retry")),
            Action::RetryAfter => return Err(Failure::retry_after(Duration::from_secs(7), "scripted retry")),
            Action::Permanent => return Err(Failure::permanent("scripted rejection")),
            // Without the panic hook, which would print.
            Action::Panic => std::panic::resume_unwind(Box::new("scripted")),
            Action::AlreadyDone => Some(Refusal::AlreadyDone),
            Action::RefusedNow => Some(Refusal::Retry("scripted retry".to_owned())),
            Action::RefusedForGood => Some(Refusal::Permanent("scripted rejection".to_owned())),
            Action::Succeed | Action::Overrun | Action::TooLarge | Action::Unsendable => None,
        };
        let (queue, record) = {
            let mut state = self.world.state();
            let record = state.message(self.worker, id).record.clone();
            if refused == Some(Refusal::AlreadyDone) {
                state.facts.existing.insert(record.clone());
            }
            (state.plan.functions[1].queue, record)
        };
        let mut completion = Completion::new();
        if action == Action::TooLarge {
            completion = completion.data(TOO_LARGE.into());
        }
        if action == Action::Unsendable {
            completion = completion.send(OutgoingMessage::new(queue, ""));
        }
        for position in 0..content.sends {
            completion = completion.send(confirmation(queue, &record, content, position)?);
        }
        match K::MODE {
            Mode::Natural => Ok(completion),
            _ => Ok(completion.write(Effect { item: record, refused })),
        }
    }
}

fn confirmation(queue: &str, record: &str, of: &Content, position: u32) -> Result<OutgoingMessage, Failure> {
    let content = Content {
        order: record.to_owned(),
        key: KeyOf::Message,
        sends: 0,
        position,
        ..of.clone()
    };
    let message = OutgoingMessage::json(queue, &content)?.with_group(format!("g{}", position % 2));
    Ok(match of.stated {
        true => message.with_key(format!(
            "confirmation {position} of {}, variant {}",
            of.order, of.variant
        )),
        false => message,
    })
}

/// Notes when a handler ends, also if it is cancelled.
struct Ended<'a>(&'a World, usize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.state().ended(self.1);
    }
}
