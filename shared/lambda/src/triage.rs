//! Which records of an event are processed, and what becomes of the others.

use std::collections::HashSet;
use std::sync::Arc;

use consumer::{Handler, Incoming, Queues, Services, Unidentified};
use idempotency::Store;

use crate::event::{Record, Records, attributes};
use crate::invocation::Invocation;
use crate::odd::{Content, Odd};

/// The records of an event, sorted.
#[derive(Debug, Default)]
pub(crate) struct Triage {
    /// The messages to process.
    pub(crate) messages: Vec<Incoming>,
    /// The receipt handle of each of them.
    pub(crate) receipt_handles: Vec<String>,
    /// Each record that has an ID, in the event's order: the ID, and whether the record is processed. The others are returned.
    pub(crate) listed: Vec<(String, bool)>,
    /// Records that can't be returned, because the response can't name them: position in the event, and record.
    pub(crate) unlisted: Vec<(usize, Odd)>,
    /// How many odd records are returned.
    pub(crate) returned: u32,
    /// How many messages wait for an odd record of their group.
    pub(crate) held: u32,
}

/// Sorts the records. On an ordered queue, messages behind an odd record of their group wait for its next delivery; if its
/// group can't be read, all messages behind it do.
pub(crate) fn triage(records: Records) -> Triage {
    let ordered = records.ordered();
    let count = records.records.len();
    let mut triage = Triage {
        messages: Vec::with_capacity(count),
        receipt_handles: Vec::with_capacity(count),
        listed: Vec::with_capacity(count),
        ..Triage::default()
    };
    let (mut held_groups, mut all_held) = (HashSet::new(), false);
    for (position, record) in records.records.into_iter().enumerate() {
        match record {
            Ok(Record {
                message,
                receipt_handle,
            }) => {
                let is_held = all_held || message.group.as_ref().is_some_and(|group| held_groups.contains(group));
                triage.listed.push((message.id.as_str().to_owned(), !is_held));
                if is_held {
                    triage.held += 1;
                    continue;
                }
                triage.messages.push(message);
                triage.receipt_handles.push(receipt_handle);
            }
            Err(odd) => {
                match &odd.group {
                    Some(group) if ordered => drop(held_groups.insert(group.clone())),
                    Some(_) => {}
                    None => all_held |= ordered,
                }
                triage.add_odd(position, *odd);
            }
        }
    }
    triage
}

impl Triage {
    fn add_odd(&mut self, position: usize, odd: Odd) {
        let Some(id) = odd.id else {
            return self.unlisted.push((position, odd));
        };
        tracing::error!(
            messageId = id,
            "record {position} of the event can't be processed: {}",
            odd.why
        );
        self.listed.push((id, false));
        self.returned += 1;
    }
}

/// Sends the dead letters of records without an ID.
///
/// # Errors
///
/// Why one of them must not be acknowledged: its dead letter is not confirmed.
pub(crate) async fn dead_letter<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
    unlisted: Vec<(usize, Odd)>,
    queue_arn: &str,
    ordered: bool,
    handler: &Arc<H>,
    services: &Services<S, Q>,
    invocation: &Invocation,
) -> Result<(), String> {
    let mut lost = Ok(());
    for (position, odd) in unlisted {
        let why = format!("the record has no usable message ID: {}", odd.why);
        let message = Unidentified {
            host_trace: invocation.trace.clone(),
            ..unidentified(odd, queue_arn)
        };
        let sent = message
            .dead_letter(&why, ordered, handler, services, &invocation.budget)
            .await;
        tracing::error!(deadLettered = sent, "rejected: record {position} of the event: {why}");
        if !sent {
            lost = Err(format!(
                "record {position} of the event: {why}; the whole batch is redelivered, because it is not dead-lettered"
            ));
        }
    }
    lost
}

fn unidentified(odd: Odd, queue_arn: &str) -> Unidentified {
    let queue = odd
        .queue
        .or_else(|| (!queue_arn.is_empty()).then(|| queue_arn.to_owned()));
    let (record, body, attributes) = match odd.content {
        Content::Message(record) => (
            serde_json::to_string(&record).unwrap_or_default(),
            record.body.unwrap_or_default(),
            attributes(record.message_attributes),
        ),
        Content::Json(record) => (record, String::new(), Default::default()),
    };
    Unidentified {
        body,
        record,
        attributes,
        group: odd.group,
        queue,
        host_trace: None,
    }
}
