//! The queues that dead letters are sent to.

use std::collections::HashMap;

use cli::printable;

use super::dead_letter::DeadLetter;
use crate::queue::{Queue, names};

/// Where each dead letter goes.
pub(super) struct Targets<'a> {
    from: &'a Queue,
    /// The queues whose redrive policy names the dead-letter queue.
    sources: Vec<Queue>,
    /// The queue that all are sent to.
    to: Option<Queue>,
    /// Whether `to` also gets messages that came from another queue.
    force: bool,
    /// Only messages of this queue are selected.
    only: Option<Queue>,
    /// By the ARN in a message: queues that are not among the sources.
    found: HashMap<String, Result<Queue, String>>,
}

impl<'a> Targets<'a> {
    /// `has_policy`: `from` has a redrive policy of its own. Unless it is a dead-letter queue as well, it is in use, and nothing
    /// is received from it.
    ///
    /// # Errors
    ///
    /// One line: no queue to send to is known, or it cannot be used, and what to do.
    pub(super) fn new(
        from: &'a Queue,
        has_policy: bool,
        sources: Vec<Queue>,
        to: Option<Queue>,
        only: Option<Queue>,
        force: bool,
    ) -> Result<Self, String> {
        if has_policy && sources.is_empty() && to.is_none() && only.is_none() {
            return Err(format!(
                "{} is not the dead-letter queue of any queue: pass the queue to send to with --to, or the queue that its \
                 messages name with --source",
                from.name()
            ));
        }
        for queue in to.iter().chain(&only) {
            check(from, queue)?;
        }
        Ok(Self {
            from,
            sources,
            to,
            force,
            only,
            found: HashMap::new(),
        })
    }

    /// Whether the message is one of the queue that is selected.
    pub(super) fn selects(&self, dead_letter: &DeadLetter) -> bool {
        let Some(only) = &self.only else { return true };
        match (dead_letter.source(), self.sources.as_slice()) {
            (Some(source), _) => only.is(source),
            (None, [source]) => source.url == only.url,
            (None, _) => false,
        }
    }

    /// Finds the queue that the message names. Call it before [`of`](Self::of).
    pub(super) async fn look_up(&mut self, dead_letter: &DeadLetter) {
        let Some(source) = dead_letter.source() else { return };
        if self.to.is_none() && self.known(source).is_none() && !self.found.contains_key(source) {
            let found = find(self.from, source).await;
            self.found.insert(source.to_owned(), found);
        }
    }

    /// The queue for the message: the one that was chosen, the one it came from, or the only source.
    ///
    /// # Errors
    ///
    /// One line: it is not known, not found, or not the one that was chosen, and what to do.
    pub(super) fn of(&self, dead_letter: &DeadLetter) -> Result<&Queue, String> {
        let Some(source) = dead_letter.source() else {
            return self.without_source();
        };
        if let Some(to) = &self.to {
            return match self.force || to.is(source) {
                true => Ok(to),
                false => Err(format!(
                    "it came from {}, not from {}: run without --to, or with --force to send it there anyway",
                    printable(source),
                    to.name()
                )),
            };
        }
        match (self.known(source), self.found.get(source)) {
            (Some(queue), _) | (None, Some(Ok(queue))) => Ok(queue),
            (None, Some(Err(why))) => Err(why.clone()),
            (None, None) => Err(format!("it came from {}, which was not looked up", printable(source))),
        }
    }

    fn known(&self, source: &str) -> Option<&Queue> {
        self.sources.iter().chain(&self.only).find(|queue| queue.is(source))
    }

    fn without_source(&self) -> Result<&Queue, String> {
        match (&self.to, self.sources.as_slice()) {
            (Some(to), _) => Ok(to),
            (None, [source]) => Ok(source),
            (None, []) => Err(format!(
                "it does not name the queue it came from, and {} is not the dead-letter queue of any queue: choose one with \
                 --to",
                self.from.name()
            )),
            (None, several) => Err(format!(
                "it does not name the queue it came from, and {} is the dead-letter queue of several queues ({}): choose one \
                 with --to",
                self.from.name(),
                names(several)
            )),
        }
    }

    /// The queue that was chosen, or the only source: messages that name no other queue go to it.
    pub(super) fn single(&self) -> Option<&Queue> {
        match (&self.to, &self.only, self.sources.as_slice()) {
            (Some(queue), _, _) | (None, Some(queue), _) | (None, None, [queue]) => Some(queue),
            _ => None,
        }
    }

    /// For the confirmation.
    pub(super) fn names(&self) -> String {
        match self.single() {
            Some(queue) if self.to.is_some() || self.only.is_some() => queue.name().to_owned(),
            Some(queue) => format!("{}, or to the queue that a message names", queue.name()),
            None if self.sources.is_empty() => "the queues they came from".to_owned(),
            None => format!("the queues they came from ({})", names(&self.sources)),
        }
    }
}

/// The queue that a message names and that has no redrive policy to this one.
async fn find(from: &Queue, source: &str) -> Result<Queue, String> {
    let named = printable(source);
    let choose = "pass --to with --force to send it to another queue";
    let queue = from.find_arn(source).await;
    let queue = queue.map_err(|why| format!("it came from {named}: {why}; {choose}"))?;
    // For an ARN of another region, SQS returns the queue of that name in this one.
    if !queue.is(source) {
        return Err(format!(
            "it came from {named}, which is in another account or region: {choose}"
        ));
    }
    check(from, &queue).map_err(|why| format!("it came from {named}: {why}"))?;
    Ok(queue)
}

fn check(from: &Queue, to: &Queue) -> Result<(), String> {
    if from.url == to.url {
        return Err(format!(
            "source and target are the same queue, {}: pass another queue with --to",
            to.name()
        ));
    }
    if from.is_fifo() != to.is_fifo() {
        let (from, to) = (from.name(), to.name());
        return Err(format!("cannot redrive from {from} to {to}: only one is a FIFO queue"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::tests::queue;

    #[test]
    fn the_confirmation_states_that_a_message_may_name_a_queue() {
        let from = queue("http://127.0.0.1/1/orders-dlq");
        let [orders, notes] = ["http://127.0.0.1/1/orders", "http://127.0.0.1/1/notes"];
        for (sources, to, only, expected) in [
            (
                &[orders][..],
                None,
                None,
                "orders, or to the queue that a message names",
            ),
            (
                &[orders, notes],
                None,
                None,
                "the queues they came from (orders, notes)",
            ),
            (&[], None, None, "the queues they came from"),
            (&[orders], Some(notes), None, "notes"),
            (&[orders], None, Some(notes), "notes"),
        ] {
            let sources = sources.iter().map(|url| queue(url)).collect();
            let targets = Targets::new(&from, false, sources, to.map(queue), only.map(queue), false).unwrap();
            assert_eq!(targets.names(), expected);
        }
    }
}
