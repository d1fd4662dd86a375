//! Batch requests about received messages, with a result for each message.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use consumer::{MessageId, SourceError, SourceFault, Verdict};
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
            .map(|result| result.map_err(|error| error.of_queue(&self.place.url)))
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
        let request = request.queue_url(&self.place.url).set_entries(Some(entries));
        let reply = request.send().await;
        let permission = Permission::ChangeVisibility;
        let reply = reply.map_err(|error| EntryError::of_request(error, permission, &self.place))?;
        let successful = reply.successful.iter().map(|entry| entry.id.as_str());
        Ok(results(hides.len(), successful, &reply.failed))
    }

    /// Deletes messages. Those of one message group are deleted in order, and none is behind one that is not deleted: that one is
    /// redelivered, and the group's order would change.
    async fn delete(&self, deletes: Vec<Delete<'_>>) -> Vec<(usize, EntryResult)> {
        if !self.queue.order.is_ordered() {
            let results = self.delete_round(&deletes).await.into_iter();
            return deletes.iter().map(|delete| delete.position).zip(results).collect();
        }
        let mut results = Vec::new();
        let mut failed: HashMap<Option<&str>, EntryError> = HashMap::new();
        for mut round in rounds(deletes) {
            round.retain(|delete| match failed.get(&delete.group()) {
                Some(error) => {
                    results.push((delete.position, Err(error.clone())));
                    false
                }
                None => true,
            });
            let deleted = self.delete_round(&round).await;
            failed.extend(not_deleted(&round, &deleted));
            results.extend(round.iter().map(|delete| delete.position).zip(deleted));
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
        let request = request.queue_url(&self.place.url).set_entries(Some(entries));
        let reply = request.send().await;
        let permission = Permission::Delete;
        let reply = reply.map_err(|error| EntryError::of_request(error, permission, &self.place))?;
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

/// Splits deletes so that each part has one message of a group, in order. It may have several receipts of that message.
fn rounds(deletes: Vec<Delete<'_>>) -> Vec<Vec<Delete<'_>>> {
    let mut rounds: Vec<Vec<Delete<'_>>> = Vec::new();
    let mut last: HashMap<Option<&str>, (&MessageId, usize)> = HashMap::new();
    for delete in deletes {
        let message = &delete.receipt.message;
        let round = match last.get(&delete.group()) {
            None => 0,
            Some((before, round)) if *before == message => *round,
            Some((_, round)) => round + 1,
        };
        last.insert(delete.group(), (message, round));
        rounds.resize_with(rounds.len().max(round + 1), Vec::new);
        rounds[round].push(delete);
    }
    rounds
}

/// The groups whose message no receipt deleted.
fn not_deleted<'a>(round: &[Delete<'a>], results: &[EntryResult]) -> HashMap<Option<&'a str>, EntryError> {
    let results = || round.iter().zip(results);
    let errors = results().filter_map(|(delete, result)| Some((delete.group(), result.clone().err()?)));
    let mut failed: HashMap<_, _> = errors.collect();
    for (delete, _) in results().filter(|(_, result)| result.is_ok()) {
        failed.remove(&delete.group());
    }
    failed
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_result_that_the_reply_names() {
        let failed = BatchResultErrorEntry::builder().id("2").code("ReceiptHandleIsInvalid");
        let failed = [failed.sender_fault(true).build().unwrap()];
        let results = results(4, ["3", "0", "x", "7"].into_iter(), &failed);
        let faults: Vec<_> = results
            .into_iter()
            .map(|result| result.err().map(|error| error.fault))
            .collect();
        let lost = Some(SourceFault::ReceiptLost);
        // The one that is not named may have succeeded.
        assert_eq!(faults, [None, Some(SourceFault::Unavailable), lost, None]);
    }

    fn receipt(group: &str, message: &str) -> SqsReceipt {
        SqsReceipt {
            handle: message.to_owned(),
            message: MessageId::new(message).unwrap(),
            group: Some(group.to_owned()),
            received_at: tokio::time::Instant::now(),
        }
    }

    #[test]
    fn a_round_has_one_message_of_a_group_with_all_its_receipts() {
        let receipts = ["a1", "b1", "a1", "a2", "b2", "a3", "b2"].map(|id| receipt(&id[..1], id));
        let deletes = receipts.iter().enumerate();
        let deletes = deletes.map(|(position, receipt)| Delete { position, receipt });
        let rounds = rounds(deletes.collect()).into_iter();
        let rounds: Vec<Vec<_>> = rounds
            .map(|round| round.iter().map(|delete| delete.position).collect())
            .collect();
        assert_eq!(rounds, [vec![0, 1, 2], vec![3, 4, 6], vec![5]]);
    }

    #[test]
    fn a_message_is_deleted_if_one_receipt_deletes_it() {
        let receipts = ["a1", "a1", "b1"].map(|id| receipt(&id[..1], id));
        let round = receipts.iter().enumerate();
        let round: Vec<_> = round.map(|(position, receipt)| Delete { position, receipt }).collect();
        let lost = || Err(EntryError::new(SourceFault::ReceiptLost, "expired"));
        let failed =
            |results: [EntryResult; 3]| not_deleted(&round, &results).into_keys().flatten().collect::<Vec<_>>();
        assert!(failed([lost(), Ok(()), Ok(())]).is_empty());
        assert_eq!(failed([Ok(()), lost(), lost()]), ["b"]);
        assert_eq!(failed([lost(), lost(), Ok(())]), ["a"]);
    }
}
