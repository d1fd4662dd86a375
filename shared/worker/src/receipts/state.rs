//! Which receipts are to be extended or settled, and when.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use consumer::{Incoming, SourceFault, Verdict};
use tokio::time::Instant;

use super::SETTLE_WITHIN;
use crate::backoff::jittered;

/// As many as one request of SQS deletes.
const SETTLE_AT_ONCE: usize = 10;

/// Messages in flight, by number, in the order of their receive.
pub(super) struct State<T> {
    window: Duration,
    next_number: u64,
    messages: BTreeMap<u64, Kept<T>>,
    numbers: HashMap<Content, u64>,
    is_closed: bool,
}

/// A message in flight.
struct Kept<T> {
    content: Content,
    /// Those that no request has. The message may be received again, with another receipt.
    receipts: Vec<T>,
    /// Whether a request has receipts of it.
    is_requested: bool,
    /// When it is to be hidden for longer; `None`: no receipt can do that any more.
    extend_at: Option<Instant>,
    verdict: Option<Verdict>,
    /// When its verdict is to be sent at the latest.
    settle_at: Instant,
    /// How often settling it failed.
    failures: u32,
}

impl<T> Kept<T> {
    /// When it is to be hidden for longer. A message that is to be retried has its delay, which must not be overwritten: the
    /// request that failed may have set it.
    fn extend_due(&self) -> Option<Instant> {
        match self.verdict {
            Some(Verdict::Retry { .. }) => None,
            Some(Verdict::Done | Verdict::Rejected) | None => self.extend_at,
        }
    }

    /// How long to wait before its verdict is sent again. A delay is what hides the message: it can't wait for long.
    fn settle_again_after(&self, window: Duration) -> Duration {
        let delay = jittered(self.failures);
        match self.verdict {
            Some(Verdict::Retry { .. }) => delay.min(window / 20),
            Some(Verdict::Done | Verdict::Rejected) | None => delay,
        }
    }
}

/// What makes two deliveries the same message: an ID alone may be the producer's choice.
type Content = (String, u64);

fn content(message: &Incoming) -> Content {
    let mut hasher = DefaultHasher::new();
    (&message.body, &message.group, &message.deduplication_id).hash(&mut hasher);
    for (name, value) in &message.attributes {
        (name, &value.string_value, &value.binary_value).hash(&mut hasher);
    }
    (message.id.as_str().to_owned(), hasher.finish())
}

/// What is to be done now, or next.
pub(super) struct Due<T> {
    pub(super) request: Option<Request<T>>,
    /// When there is something to do; `None`: not before something happens.
    pub(super) next: Option<Instant>,
}

/// A request to the queue, with the number of each receipt's message.
pub(super) enum Request<T> {
    Extend {
        numbers: Vec<u64>,
        receipts: Vec<T>,
    },
    Settle {
        numbers: Vec<u64>,
        messages: Vec<(T, Verdict)>,
    },
}

impl<T> State<T> {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            next_number: 0,
            messages: BTreeMap::new(),
            numbers: HashMap::new(),
            is_closed: false,
        }
    }

    /// The number of a message that is new; `None` for another delivery of one in flight.
    pub(super) fn keep(&mut self, message: &Incoming, receipt: T, now: Instant) -> Option<u64> {
        let content = content(message);
        if let Some(number) = self.numbers.get(&content)
            && let Some(kept) = self.messages.get_mut(number)
        {
            kept.receipts.push(receipt);
            kept.extend_at = kept.extend_at.or(Some(now + self.window / 2));
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(content.clone(), number);
        let kept = Kept {
            content,
            receipts: vec![receipt],
            is_requested: false,
            extend_at: Some(now + self.window / 2),
            verdict: None,
            settle_at: now,
            failures: 0,
        };
        self.messages.insert(number, kept);
        Some(number)
    }

    pub(super) fn settle(&mut self, number: u64, verdict: Verdict, now: Instant) {
        if let Some(kept) = self.messages.get_mut(&number) {
            kept.verdict = Some(verdict);
            // A message that is returned blocks its group only once it is settled.
            kept.settle_at = match verdict.is_acknowledged() {
                true => now + SETTLE_WITHIN,
                false => now,
            };
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.messages.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.numbers.is_empty()
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_closed && self.messages.is_empty()
    }

    /// Takes the receipts of what is to be done now. Extending comes first: it is what must not be late.
    pub(super) fn due(&mut self, now: Instant) -> Due<T> {
        let request = self.extend(now).or_else(|| self.settle_due(now));
        let next = self.messages.values().filter(|kept| !kept.is_requested);
        let next = next.flat_map(|kept| [kept.extend_due(), kept.verdict.map(|_| kept.settle_at)]);
        Due {
            request,
            next: next.flatten().min(),
        }
    }

    fn extend(&mut self, now: Instant) -> Option<Request<T>> {
        let is_due = |kept: &Kept<T>, at: Instant| !kept.is_requested && kept.extend_due().is_some_and(|due| due <= at);
        if !self.messages.values().any(|kept| is_due(kept, now)) {
            return None;
        }
        // Those that are due soon fit the same request.
        let soon = now + self.window / 10;
        let (mut numbers, mut receipts) = (Vec::new(), Vec::new());
        for (number, kept) in &mut self.messages {
            if is_due(kept, soon) {
                numbers.extend(kept.receipts.iter().map(|_| *number));
                receipts.append(&mut kept.receipts);
                kept.is_requested = true;
                // A receipt of another delivery that comes meanwhile sets its own time.
                kept.extend_at = None;
            }
        }
        Some(Request::Extend { numbers, receipts })
    }

    fn settle_due(&mut self, now: Instant) -> Option<Request<T>> {
        let ready = |kept: &Kept<T>| !kept.is_requested && kept.verdict.is_some();
        let is_first_try = |kept: &Kept<T>| ready(kept) && kept.failures == 0;
        let waiting = self.messages.values().filter(|kept| is_first_try(kept)).count();
        let is_overdue = |kept: &Kept<T>| ready(kept) && kept.settle_at <= now;
        // There is nothing to wait for if no other message is being processed.
        let is_idle = || self.messages.values().all(|kept| kept.verdict.is_some());
        let at_once = waiting >= SETTLE_AT_ONCE || (waiting > 0 && is_idle());
        if !at_once && !self.messages.values().any(is_overdue) {
            return None;
        }
        let (mut numbers, mut messages) = (Vec::new(), Vec::new());
        for (number, kept) in &mut self.messages {
            let Some(verdict) = kept.verdict else { continue };
            if is_first_try(kept) || is_overdue(kept) {
                numbers.extend(kept.receipts.iter().map(|_| *number));
                messages.extend(kept.receipts.drain(..).map(|receipt| (receipt, verdict)));
                kept.is_requested = true;
            }
        }
        Some(Request::Settle { numbers, messages })
    }

    /// Takes back the receipts of a request that began at this time.
    pub(super) fn extended(
        &mut self,
        results: impl Iterator<Item = (u64, (T, Result<(), SourceFault>))>,
        began: Instant,
    ) {
        let (window, now) = (self.window, Instant::now());
        for (number, (receipt, result)) in results {
            let Some(kept) = self.messages.get_mut(&number) else {
                continue;
            };
            kept.is_requested = false;
            let extend_at = match result {
                Ok(()) => Some(began + window / 2),
                // The receipt may still settle the message.
                Err(SourceFault::ReceiptLost) => None,
                Err(SourceFault::Unavailable | SourceFault::Refused) => Some(now + window / 20),
            };
            kept.extend_at = [kept.extend_at, extend_at].into_iter().flatten().min();
            kept.receipts.push(receipt);
        }
    }

    /// Forgets what is settled, and takes back the receipts of what is not.
    pub(super) fn settled(&mut self, results: impl Iterator<Item = (u64, (T, Result<(), SourceFault>))>, now: Instant) {
        let (window, mut numbers) = (self.window, Vec::new());
        for (number, (receipt, result)) in results {
            let Some(kept) = self.messages.get_mut(&number) else {
                continue;
            };
            kept.is_requested = false;
            numbers.push(number);
            match result {
                // The queue redelivers it, or has done so.
                Ok(()) | Err(SourceFault::ReceiptLost) => {}
                Err(SourceFault::Unavailable | SourceFault::Refused) => {
                    kept.receipts.push(receipt);
                    kept.failures += 1;
                    kept.settle_at = now + kept.settle_again_after(window);
                }
            }
        }
        for number in numbers {
            if let Some(kept) = self.messages.get(&number)
                && kept.receipts.is_empty()
            {
                self.numbers.remove(&kept.content);
                self.messages.remove(&number);
            }
        }
    }
}
