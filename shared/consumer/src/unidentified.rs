//! Messages that nothing identifies.

use std::collections::BTreeMap;
use std::sync::Arc;

use idempotency::Store;

use crate::batch::Batch;
use crate::dead_letter::{Original, Rejection, pack};
use crate::summary::Counters;
use crate::{Attribute, Budget, Handler, QueueMessage, Queues, Services};

/// The message group of a dead letter whose group is not known, on a queue that requires one.
const UNKNOWN_GROUP: &str = "unidentified";

/// A message without an ID. It can neither be processed nor returned to its queue, because its host names messages by their
/// IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unidentified {
    /// The body, or all that was received.
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, if it is known.
    pub group: Option<String>,
    /// The ARN of the queue it was received from, if it is known.
    pub queue: Option<String>,
    /// The host's own trace, which the dead letter carries.
    pub host_trace: Option<Arc<str>>,
}

impl Unidentified {
    /// Sends its dead letter, with the reason. `false`: there is no dead-letter queue, or it did not confirm the dead
    /// letter. Then the message must not be acknowledged.
    pub async fn dead_letter<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
        self,
        why: &str,
        handler: &Arc<H>,
        services: &Services<S, Q>,
        budget: &Budget,
    ) -> bool {
        let Some(url) = &services.dead_letter_queue else {
            return false;
        };
        let batch = Batch {
            handler,
            services,
            budget,
            ordered: false,
            counters: Counters::default(),
        };
        let limits = services.queues.limits(url);
        let rejection = Rejection {
            reason: limits.sendable(why),
            function: H::NAMESPACE.to_owned(),
            receive_count: 1,
        };
        let original = Original {
            queue: self.queue,
            ..Original::default()
        };
        let dead_letter = QueueMessage {
            body: self.body,
            attributes: pack(self.attributes, original, Some(&rejection), &limits),
            group: self.group.or_else(|| limits.ordered.then(|| UNKNOWN_GROUP.to_owned())),
            // Nothing else distinguishes it from another.
            deduplication_id: Some(format!("unidentified-{:032x}", fastrand::u128(..))),
            trace_header: self.host_trace.as_deref().map(str::to_owned),
        };
        batch.dead_letter(url, dead_letter).await
    }
}
