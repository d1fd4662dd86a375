//! The service as the stack's server sees it.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::errors::request_throttled;
use super::fault::{Effect, Fault};
use super::fields::Fields;
use super::message::QueuedMessage;
use super::operations;
use super::receiving::{Moved, Receive};
use super::saved::Saved;
use super::world::{self, World, last_segment};
use crate::ApiError;
use crate::api::Reply;
use crate::fault::Faults;
use crate::lambda::{Event, Observer};

/// Amazon SQS in memory, for one account and region.
#[derive(Debug)]
pub struct Sqs {
    world: Mutex<World>,
    /// Notified after anything that could have made a message visible, for receivers that wait.
    changed: Notify,
    faults: Mutex<Faults<Effect>>,
    observer: OnceLock<Observer>,
}

impl Sqs {
    /// An SQS without queues. Queue URLs are `{endpoint}/000000000000/{name}`; `region` shows in queue ARNs.
    pub fn new(endpoint: &str, region: &str) -> Self {
        Self {
            world: Mutex::new(World::new(endpoint, region)),
            changed: Notify::new(),
            faults: Mutex::default(),
            observer: OnceLock::new(),
        }
    }

    /// Reports each message that it moves to a dead-letter queue, as [`Event::DeadLettered`]. The first observer stays.
    pub fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// Serves one request that comes over the network: answers as [`call`](Self::call) does, unless a fault affects it.
    pub async fn serve(&self, operation: &str, request: Value) -> Reply {
        if let Err(error) = world::check_address(&request) {
            return Reply::Answer(Err(error));
        }
        let effect = lock(&self.faults).take_effect(operation, &request);
        match effect {
            None => Reply::Answer(self.call(operation, request).await),
            Some(Effect::Throttle) => Reply::Answer(Err(request_throttled())),
            Some(Effect::LoseRequest) => Reply::Lost,
            Some(Effect::LoseReply) => {
                let _lost = self.call(operation, request).await;
                Reply::Lost
            }
            Some(Effect::AfterApply(hook)) => {
                let answer = self.call(operation, request.clone()).await;
                hook.run(&request, &answer);
                Reply::Answer(answer)
            }
        }
    }

    /// Makes something go wrong with requests to come over the network. Of several faults that match, the first injected
    /// counts.
    pub fn inject(&self, fault: Fault) {
        self.inject_every(1, fault);
    }

    /// The same, but only with every `nth` request that the fault matches.
    pub fn inject_every(&self, nth: u32, fault: Fault) {
        lock(&self.faults).inject(nth, fault);
    }

    /// Answers one request. `operation` is what follows the dot in `X-Amz-Target: AmazonSQS.SendMessage`.
    ///
    /// Only `ReceiveMessage` may wait, up to 20 seconds. Dropped while it waits, it has received nothing.
    ///
    /// # Errors
    /// What AWS would answer; `UnsupportedOperation` for an operation that isn't emulated.
    pub async fn call(&self, operation: &str, request: Value) -> Result<Value, ApiError> {
        let request = Fields::of(&request)?;
        if operation == "ReceiveMessage" {
            return self.receive(&Receive::read(&request)?).await;
        }
        let now = Instant::now();
        let (answer, deleted) = {
            let mut world = self.world();
            world.run_move_tasks(now);
            (
                operations::run(&mut world, operation, &request, now),
                world.take_deleted(),
            )
        };
        self.changed.notify_waiters();
        self.report_deleted(deleted);
        answer
    }

    fn report_deleted(&self, deleted: Vec<(String, Vec<String>)>) {
        let Some(observer) = self.observer.get() else {
            return;
        };
        for (queue, messages) in deleted {
            // Whether anyone still listens doesn't matter.
            let _ = observer.send(Event::Deleted { queue, messages });
        }
    }

    fn report(&self, moved: Vec<Moved>) {
        let Some(observer) = self.observer.get() else {
            return;
        };
        for moved in moved {
            // Whether anyone still listens doesn't matter.
            let _ = observer.send(Event::DeadLettered {
                queue: moved.from,
                dead_letter_queue: moved.to,
                message: moved.message,
                receives: moved.receives,
            });
        }
    }

    async fn receive(&self, receive: &Receive) -> Result<Value, ApiError> {
        let start = Instant::now();
        let deadline = start + receive.wait(&mut self.world(), start)?;
        let ended = self.waits_ended(&receive.queue);
        loop {
            // Listens from here on, before looking, so that nothing that happens in between is missed.
            let changed = self.changed.notified();
            let now = Instant::now();
            let attempt = receive.attempt(&mut self.world(), now)?;
            if !attempt.moved.is_empty() {
                self.changed.notify_waiters();
                self.report(attempt.moved);
            }
            if !attempt.messages.is_empty() {
                return Ok(json!({ "Messages": attempt.messages }));
            }
            if now >= deadline || self.waits_ended(&receive.queue) != ended {
                return Ok(json!({}));
            }
            let wake = attempt.next_change.map_or(deadline, |change| change.min(deadline));
            tokio::select! {
                () = changed => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    fn waits_ended(&self, queue: &str) -> u64 {
        self.world().queues.get(queue).map_or(0, |queue| queue.waits_ended)
    }

    /// Answers the receives that wait for messages of this queue, given by name, with none: a consumer that is about to stop need
    /// not wait for the end of its long poll.
    pub fn end_waits(&self, queue: &str) {
        if let Some(queue) = self.world().queues.get_mut(queue) {
            queue.waits_ended += 1;
        }
        self.changed.notify_waiters();
    }

    /// From now on reports the messages of this queue, given by name, that consumers delete, as [`Event::Deleted`].
    pub fn report_deletes(&self, queue: &str) {
        if let Some(queue) = self.world().queues.get_mut(queue) {
            queue.deleted.get_or_insert_default();
        }
    }

    /// Has the next `messages` messages sent to this queue stored twice under one message ID, as a standard queue may deliver
    /// them. Adds to earlier calls; the queue, given by name or URL, may be created later. A FIFO queue ignores it.
    pub fn deliver_twice(&self, queue: &str, messages: u32) {
        let mut world = self.world();
        let left = world.to_duplicate.entry(last_segment(queue).to_owned()).or_default();
        *left = left.saturating_add(messages);
    }

    /// Ends the visibility timeouts of these messages in flight in the queue, given by name or URL: a test need not wait for them.
    pub fn make_visible(&self, queue: &str, message_ids: &[String]) {
        let now = Instant::now();
        if let Ok(queue) = self.world().queue(last_segment(queue), now) {
            queue.messages.update_all(|stored| {
                if message_ids.contains(&stored.message.id) {
                    stored.visible_at = stored.visible_at.min(now);
                }
            });
        }
        self.changed.notify_waiters();
    }

    /// What the queue, given by name or URL, holds now, in the order of arrival; nothing if there is no such queue. Receives
    /// nothing.
    pub fn peek(&self, queue: &str) -> Vec<QueuedMessage> {
        let now = Instant::now();
        let mut world = self.world();
        world.run_move_tasks(now);
        let Ok(queue) = world.queue(last_segment(queue), now) else {
            return Vec::new();
        };
        queue.messages.values().map(|stored| stored.peek(now)).collect()
    }

    /// The messages of all queues, as JSON for [`restore`](Self::restore) in another process. Messages that were restored, but
    /// whose queue does not exist, are among them.
    ///
    /// # Errors
    ///
    /// A message can't be written as JSON. None is known.
    pub fn save(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Saved::of(&self.world()))
    }

    /// Adds what another process saved to the queues of the same names, and returns the names of the queues that had messages, but
    /// don't exist here: their messages are only [saved](Self::save) again. A receipt handle of the other process is not valid here.
    ///
    /// # Errors
    ///
    /// [`save`](Self::save) did not make this; nothing is restored then.
    pub fn restore(&self, saved: &str) -> Result<Vec<String>, serde_json::Error> {
        let saved: Saved = serde_json::from_str(saved)?;
        let missing = saved.restore(&mut self.world());
        self.changed.notify_waiters();
        Ok(missing)
    }

    /// Replaces this SQS's endpoint in the queue URLs of an answer by the one that its client used.
    ///
    /// AWS's own URLs always name AWS. Here a client may reach the stack by another name or port (from a container, through a
    /// tunnel), and some clients post to the queue's URL.
    pub(crate) fn show_urls_at(&self, endpoint: &str, answer: &mut Value) {
        let own = self.world().url("");
        let names = ["QueueUrl", "QueueUrls", "queueUrls"];
        let Value::Object(members) = answer else { return };
        let values = members.iter_mut().filter(|(name, _)| names.contains(&name.as_str()));
        let urls = values.flat_map(|(_, value)| match value {
            Value::Array(urls) => urls.iter_mut().collect(),
            url => vec![url],
        });
        for url in urls {
            if let Some(name) = url.as_str().and_then(|url| url.strip_prefix(&own)) {
                *url = world::url(endpoint, name).into();
            }
        }
    }

    /// How often this message was received so far, from whatever queue and even if it is deleted by now. Only the last 30,000
    /// messages are remembered.
    pub fn deliveries(&self, message_id: &str) -> u32 {
        self.world().deliveries.get(message_id).copied().unwrap_or(0)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

/// A panic while the lock is held would be a bug of its own; what it left behind is still better than a second panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
