//! Batch requests about received messages, with a result for each message.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use consumer::{SourceError, SourceFault, Verdict};
use futures_util::future::{join, join_all};
use idempotency::Timestamp;

use super::fault::{EntryError, Permission};
use super::{LONGEST, SqsReceipt, SqsSource};
use crate::queues::MAX_ENTRIES;
use crate::visibility::{change_entry, whole_seconds};

type EntryResult = Result<(), EntryError>;

/// A message to hide: its position among the caller's, and for how long.
struct Hide<'a> {
    position: usize,
    receipt: &'a SqsReceipt,
    timeout: Duration,
}

/// A message to delete: its position among the caller's.
struct Delete<'a> {
    position: usize,
    receipt: &'a SqsReceipt,
}

impl SqsSource {
    /// Hides messages for this long from now, at most 12 hours from their receive.
    pub(super) async fn extend_all(&self, receipts: &[SqsReceipt], by: Duration) -> Vec<EntryResult> {
        let mut results = vec![Ok(()); receipts.len()];
        let mut hides = Vec::new();
        for (position, receipt) in receipts.iter().enumerate() {
            match receipt.time_left() {
                // The rest of a second, which no request can state.
                left if left < Duration::from_secs(1) => results[position] = Err(over()),
                left => hides.push(Hide {
                    position,
                    receipt,
                    timeout: whole_seconds(by, left),
                }),
            }
        }
        set(&mut results, self.hide(&hides).await);
        results
    }

    /// Deletes messages, or hides them until their retry, as the verdicts state.
    pub(super) async fn settle_all(&self, messages: &[(SqsReceipt, Verdict)]) -> Vec<EntryResult> {
        let now = Timestamp::now();
        let (mut deletes, mut hides) = (Vec::new(), Vec::new());
        for (position, (receipt, verdict)) in messages.iter().enumerate() {
            match verdict {
                Verdict::Done | Verdict::Rejected => deletes.push(Delete { position, receipt }),
                Verdict::Retry { at: Some(at) } => hides.push(Hide {
                    position,
                    receipt,
                    timeout: whole_seconds(now.until(*at), receipt.time_left()),
                }),
                // Its visibility timeout ends by itself.
                Verdict::Retry { at: None } => {}
            }
        }
        let mut results = vec![Ok(()); messages.len()];
        let (hidden, deleted) = join(self.hide(&hides), self.delete(deletes)).await;
        set(&mut results, hidden);
        set(&mut results, deleted);
        results
    }

    pub(super) fn described(&self, results: Vec<EntryResult>) -> Vec<Result<(), SourceError>> {
        let results = results.into_iter();
        results
            .map(|result| result.map_err(|error| error.of_queue(&self.url)))
            .collect()
    }

    async fn hide(&self, hides: &[Hide<'_>]) -> Vec<(usize, EntryResult)> {
        let requests = hides.chunks(MAX_ENTRIES).map(async |entries| {
            let results = self.hide_request(entries).await;
            results.unwrap_or_else(|error| vec![Err(error); entries.len()])
        });
        let results = join_all(requests).await.concat();
        hides.iter().map(|hide| hide.position).zip(results).collect()
    }

    async fn hide_request(&self, hides: &[Hide<'_>]) -> Result<Vec<EntryResult>, EntryError> {
        let entries = hides.iter().enumerate();
        let entries = entries.map(|(id, hide)| change_entry(id, &hide.receipt.handle, hide.timeout));
        let entries = entries.collect::<Result<_, _>>();
        let entries = entries.map_err(|error| EntryError::new(SourceFault::Refused, error))?;
        let request = self.client.change_message_visibility_batch();
        let request = request.queue_url(&self.url).set_entries(Some(entries));
        let reply = request.send().await;
        let permission = Permission::ChangeVisibility;
        let reply = reply.map_err(|error| EntryError::of_request(error, permission, &self.client, &self.url))?;
        let successful = reply.successful.iter().map(|entry| entry.id.as_str());
        Ok(results(hides.len(), successful, &reply.failed))
    }

    /// Deletes messages. Those of one message group are deleted in order, and none is behind one that is not deleted: that one is
    /// redelivered, and the group's order would change.
    async fn delete(&self, deletes: Vec<Delete<'_>>) -> Vec<(usize, EntryResult)> {
        let ordered = self.queue.order.is_ordered();
        let rounds = match ordered {
            true => rounds(deletes),
            false => vec![deletes],
        };
        let mut results = Vec::new();
        let mut failed: HashMap<Option<&str>, EntryError> = HashMap::new();
        for mut round in rounds {
            round.retain(|delete| match failed.get(&delete.group()) {
                Some(error) => {
                    results.push((delete.position, Err(error.clone())));
                    false
                }
                None => true,
            });
            for (delete, result) in round.iter().zip(self.delete_round(&round).await) {
                if let (true, Err(error)) = (ordered, &result) {
                    failed.insert(delete.group(), error.clone());
                }
                results.push((delete.position, result));
            }
        }
        results
    }

    /// Deletes messages side by side. One result per message, in order.
    async fn delete_round(&self, deletes: &[Delete<'_>]) -> Vec<EntryResult> {
        let requests = deletes.chunks(MAX_ENTRIES).map(async |entries| {
            let results = self.delete_request(entries).await;
            results.unwrap_or_else(|error| vec![Err(error); entries.len()])
        });
        join_all(requests).await.concat()
    }

    async fn delete_request(&self, deletes: &[Delete<'_>]) -> Result<Vec<EntryResult>, EntryError> {
        let entries = deletes.iter().enumerate();
        let entries = entries.map(|(id, delete)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(&delete.receipt.handle)
                .build()
        });
        let entries = entries.collect::<Result<_, _>>();
        let entries = entries.map_err(|error| EntryError::new(SourceFault::Refused, error))?;
        let request = self.client.delete_message_batch();
        let request = request.queue_url(&self.url).set_entries(Some(entries));
        let reply = request.send().await;
        let permission = Permission::Delete;
        let reply = reply.map_err(|error| EntryError::of_request(error, permission, &self.client, &self.url))?;
        let successful = reply.successful.iter().map(|entry| entry.id.as_str());
        Ok(results(deletes.len(), successful, &reply.failed))
    }
}

impl SqsReceipt {
    /// How much longer SQS can hide the message.
    fn time_left(&self) -> Duration {
        LONGEST.saturating_sub(self.received_at.elapsed())
    }
}

impl<'a> Delete<'a> {
    fn group(&self) -> Option<&'a str> {
        self.receipt.group.as_deref()
    }
}

fn over() -> EntryError {
    let why = "12 hours since the message was received are over: SQS redelivers it";
    EntryError::new(SourceFault::ReceiptLost, why)
}

fn set(results: &mut [EntryResult], at: Vec<(usize, EntryResult)>) {
    for (position, result) in at {
        results[position] = result;
    }
}

/// Splits deletes so that each part has one message of a group, in order.
fn rounds(deletes: Vec<Delete<'_>>) -> Vec<Vec<Delete<'_>>> {
    let mut rounds: Vec<Vec<Delete<'_>>> = Vec::new();
    let mut of_group: HashMap<Option<&str>, usize> = HashMap::new();
    for delete in deletes {
        let round = of_group.entry(delete.group()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(delete);
        *round += 1;
    }
    rounds
}

/// What the reply to a batch request states of each entry. A request can succeed while entries fail.
fn results<'a>(
    entries: usize,
    successful: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<EntryResult> {
    let unknown = "the reply does not name the message";
    let mut results = vec![Err(EntryError::new(SourceFault::Unavailable, unknown)); entries];
    let failed = failed
        .iter()
        .map(|entry| (entry.id(), Err(EntryError::of_entry(entry))));
    for (id, result) in successful.map(|id| (id, Ok(()))).chain(failed) {
        let entry = id.parse().ok().and_then(|id: usize| results.get_mut(id));
        if let Some(entry) = entry {
            *entry = result;
        }
    }
    results
}
