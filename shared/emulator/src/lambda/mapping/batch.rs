//! One batch: invoke, judge, delete.

use std::sync::Arc;

use aws_sdk_sqs::types::Message;
use tokio::time::Instant;

use super::{
    super::{observer::Event, service::Lambda},
    Mapping,
    event::{EVENT_BYTES, Record, event, parts},
    queue::Queue,
    verdict::{Verdict, verdict},
};

/// What works on the batches of one mapping.
pub(super) struct Worker {
    pub(super) lambda: Arc<Lambda>,
    pub(super) queue: Queue,
    pub(super) mapping: Mapping,
}

impl Worker {
    /// Works on the messages, in one invocation if the payload limit allows.
    pub(super) async fn work(&self, messages: Vec<Message>) {
        let records = messages
            .into_iter()
            .map(|message| Record::new(message, &self.mapping.queue_arn));
        let records = match records.collect::<Result<Vec<_>, _>>() {
            Ok(records) => records,
            Err(error) => {
                return self.lambda.report(Event::Trouble {
                    what: format!("can't write an event: {error}"),
                });
            }
        };
        // One part after the other, so that no group of a FIFO queue is in two invocations; after a failure there, what
        // follows must wait as well.
        for part in parts(records, EVENT_BYTES) {
            let succeeded = self.work_on(&part).await;
            if !succeeded && self.mapping.is_fifo() {
                break;
            }
        }
    }

    /// Invokes with the records, deletes those that succeeded, and returns whether all did.
    async fn work_on(&self, records: &[Record]) -> bool {
        let begun = Instant::now();
        let verdict = self.invoke(records).await;
        let duration = begun.elapsed();
        let is_failed = |record: &&Record| match &verdict {
            Verdict::Success => false,
            Verdict::Partial(failed) => failed.contains(&record.id),
            Verdict::Failure(_) => true,
        };
        let (failed, done): (Vec<_>, Vec<_>) = records.iter().partition(is_failed);
        self.queue.delete(&done).await;
        let succeeded = failed.is_empty();
        self.lambda.report(Event::BatchFinished {
            function: self.mapping.function.clone(),
            queue: self.mapping.queue_arn.clone(),
            messages: ids(records.iter()),
            failed: ids(failed),
            whole_batch: if let Verdict::Failure(reason) = verdict {
                Some(reason)
            } else {
                None
            },
            duration,
        });
        succeeded
    }

    async fn invoke(&self, records: &[Record]) -> Verdict {
        match self.lambda.invoke(&self.mapping.function, event(records)).await {
            Err(error) => Verdict::Failure(error.to_string()),
            Ok(invocation) => match invocation.reason() {
                Some(reason) => Verdict::Failure(reason),
                None => {
                    let ids: Vec<_> = records.iter().map(|record| record.id.as_str()).collect();
                    verdict(&invocation.payload, &ids, self.mapping.report_batch_item_failures)
                }
            },
        }
    }
}

fn ids<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<String> {
    records.into_iter().map(|record| record.id.clone()).collect()
}
