//! What happened on a stack.

use std::future::poll_fn;
use std::sync::{MutexGuard, PoisonError};
use std::task::Poll;

use emulator::lambda::Event;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::TestStack;

/// The events: new ones, and those already read.
pub(crate) struct Events {
    new: UnboundedReceiver<Event>,
    known: Vec<Event>,
    /// How many of the known ones [`TestStack::redeliver`] has seen.
    redelivered: usize,
}

impl Events {
    pub(crate) fn new(new: UnboundedReceiver<Event>) -> Self {
        Self {
            new,
            known: Vec::new(),
            redelivered: 0,
        }
    }

    fn read(&mut self) {
        while let Ok(event) = self.new.try_recv() {
            self.known.push(event);
        }
    }
}

impl TestStack {
    /// Ends the visibility timeouts of messages whose batch failed as a whole, such as those of killed processes. The timeout
    /// itself is too long to wait for.
    pub fn redeliver(&self) {
        let mut events = self.lock();
        events.read();
        for event in &events.known[events.redelivered..] {
            if let Event::BatchFinished {
                queue,
                failed,
                whole_batch: Some(_),
                ..
            } = event
            {
                let name = queue.rsplit(':').next().unwrap_or(queue);
                self.stack.sqs().make_visible(name, failed);
            }
        }
        events.redelivered = events.known.len();
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.lock();
        events.read();
        events.known.clone()
    }

    /// Waits for the next event that was not read yet.
    pub async fn next_event(&self) -> Event {
        let next = poll_fn(|context| {
            let mut events = self.lock();
            let next = events.new.poll_recv(context);
            if let Poll::Ready(Some(event)) = &next {
                events.known.push(event.clone());
            }
            next
        });
        next.await.expect("a running stack reports its events")
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines that the functions' processes wrote.
    pub fn log(&self) -> Vec<String> {
        let line = |event| match event {
            Event::Log { line, .. } => Some(line),
            _ => None,
        };
        self.events().into_iter().filter_map(line).collect()
    }

    /// The outcomes of each batch in numbers: the lines of CloudWatch metrics that the functions' processes wrote.
    pub fn metrics(&self) -> Vec<Value> {
        let lines = self.log().into_iter();
        let parsed = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        parsed.filter(|line| line.get("_aws").is_some()).collect()
    }
}
