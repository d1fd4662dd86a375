//! Properties of events, for any input. Tests check them on hostile inputs, and so do the fuzz targets in `tests/fuzz`.

#![allow(clippy::expect_used, reason = "a property that does not hold is what a panic is for")]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consumer::dead_letter::Unpacked;
use consumer::{Delivery, Failure, Handler, MemoryQueues, Mode, RawBody, Services};
use hostile::quotes;
use idempotency::{Completion, MemoryStore, NoWrites, Timestamp};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sqs::VisibilityChange;

use crate::event::{Event, Records};
use crate::invocation::Invocation;
use crate::process::process;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DLQ: &str = "dlq.fifo";

/// Records the IDs of the messages it gets. It does the work of all, or fails all.
struct Recording {
    fails: bool,
    handled: Mutex<BTreeSet<String>>,
}

impl Handler for Recording {
    type Message = RawBody;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "fuzz";
    const MODE: Mode = Mode::ClaimThenComplete;

    async fn handle(&self, _: RawBody, delivery: &Delivery) -> Result<Completion, Failure> {
        let mut handled = self.handled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        handled.insert(delivery.message_id().to_owned());
        match self.fails {
            true => Err(Failure::retry("fails")),
            false => Ok(Completion::new()),
        }
    }
}

/// Each record of an event that has a message ID is processed, listed in the response, or dead-lettered; one without is
/// dead-lettered, or the whole invocation fails. No reason quotes a value.
pub fn acknowledges_nothing_silently(input: &[u8]) {
    // As the Lambda runtime does. What is not JSON at all never gets here: the event's text is kept first.
    let Ok(Event(read)) = serde_json::from_slice::<Event>(input) else {
        return;
    };
    match read {
        Err(why) => assert!(!quotes(&why, input), "{why}"),
        Ok(records) => {
            let why = records.records.iter().filter_map(|record| record.as_ref().err());
            for odd in why {
                assert!(!quotes(&odd.why, input), "{}", odd.why);
                assert!(!odd.why.is_empty(), "no reason: {odd:?}");
            }
            let present = Present::of(input, records.records.len());
            for (fails, has_queue) in [(false, true), (true, true), (false, false)] {
                let again = serde_json::from_slice::<Event>(input)
                    .ok()
                    .and_then(|Event(read)| read.ok());
                let records = again.unwrap_or_else(|| unreachable!("it was read before"));
                Outcome::of(records, fails, has_queue).assert_complete(&present, input);
            }
        }
    }
}

/// What an event holds, as serde_json reads it.
#[derive(Debug)]
struct Present {
    /// Message IDs, and whether the record may be a duplicate of another work: then no handler need get it.
    ids: Vec<(String, bool)>,
    without_id: usize,
}

impl Present {
    /// `None` if serde_json can't hold the event: it has half of a surrogate pair, or is nested too deeply.
    fn of(input: &[u8], records: usize) -> Option<Self> {
        let event: Value = serde_json::from_slice(input).ok()?;
        let list = event["Records"].as_array()?;
        assert_eq!(list.len(), records);
        let texts: Texts<'_> = serde_json::from_slice(input).ok()?;
        let ids = list.iter().zip(texts.records).map(|(record, text)| {
            let fields = serde_json::from_str(text.get()).map_or(0, |MessageIdFields(fields)| fields);
            let id = record["messageId"]
                .as_str()
                .filter(|id| !id.is_empty() && fields == 1)?;
            let has_key = record["messageAttributes"]
                .as_object()
                .is_some_and(|names| !names.is_empty());
            Some((id.to_owned(), has_key))
        });
        let ids: Vec<_> = ids.collect();
        Some(Self {
            without_id: ids.iter().filter(|id| id.is_none()).count(),
            ids: ids.into_iter().flatten().collect(),
        })
    }
}

#[derive(Deserialize)]
struct Texts<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

/// How many fields of a record are named `messageId`: with two of them it has no usable one.
struct MessageIdFields(usize);

impl<'de> Deserialize<'de> for MessageIdFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(0))
    }
}

impl<'de> Visitor<'de> for MessageIdFields {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some((name, IgnoredAny)) = fields.next_entry::<String, _>()? {
            self.0 += usize::from(name == "messageId");
        }
        Ok(self)
    }
}

/// What became of the messages of an event.
struct Outcome {
    listed: Option<BTreeSet<String>>,
    handled: BTreeSet<String>,
    dead_lettered: BTreeSet<String>,
    /// Dead letters of messages without an ID.
    unidentified: usize,
    fails: bool,
}

impl Outcome {
    fn of(records: Records, fails: bool, has_queue: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime
            .expect("a runtime without I/O needs nothing")
            .block_on(Self::processed(records, fails, has_queue))
    }

    async fn processed(records: Records, fails: bool, has_queue: bool) -> Self {
        let handler = Arc::new(Recording {
            fails,
            handled: Mutex::default(),
        });
        let services = Services::new(MemoryStore::new(), MemoryQueues::new());
        let services = match has_queue {
            true => services.with_dead_letter_queue(DLQ),
            false => services,
        };
        let invocation = Invocation::new(NOW, NOW.plus(Duration::from_secs(600)));
        let delay = async |_: Vec<VisibilityChange>| Ok(());
        let processed = process(&handler, &services, records, &invocation, delay).await;
        let mut outcome = Self {
            listed: processed.response.ok().map(|response| {
                let failures = response.batch_item_failures.into_iter();
                failures.map(|failure| failure.item_identifier).collect()
            }),
            handled: std::mem::take(&mut *handler.handled.lock().unwrap_or_else(|poisoned| poisoned.into_inner())),
            dead_lettered: BTreeSet::new(),
            unidentified: 0,
            fails,
        };
        for dead_letter in services.queues().sent(DLQ) {
            let original = Unpacked::of(dead_letter.attributes).original;
            match original.and_then(|original| original.message_id) {
                Some(id) if !id.starts_with("unidentified-") => drop(outcome.dead_lettered.insert(id)),
                _ => outcome.unidentified += 1,
            }
        }
        outcome
    }

    fn assert_complete(&self, present: &Option<Present>, input: &[u8]) {
        // An invocation that fails acknowledges nothing.
        let (Some(listed), Some(present)) = (&self.listed, present) else {
            return;
        };
        let event = || input.escape_ascii();
        for (id, may_be_duplicate) in &present.ids {
            let done = !self.fails && (self.handled.contains(id) || *may_be_duplicate);
            let accounted = listed.contains(id) || self.dead_lettered.contains(id) || done;
            assert!(
                accounted,
                "broken promise 5: {id} is acknowledged silently, {}: {}",
                self.fails,
                event()
            );
        }
        assert_eq!(self.unidentified, present.without_id, "{}", event());
        let is_of_event = |id: &String| !id.is_empty() && present.ids.iter().any(|(present, _)| present == id);
        assert!(listed.iter().all(is_of_event), "{listed:?}: {}", event());
    }
}

#[cfg(test)]
mod tests {
    use hostile::{check, files};

    use super::*;

    #[test]
    fn no_record_of_a_hostile_event_is_lost() {
        let seeds = files(&["tests/fuzz/seeds/event", "events", "shared/consumer/tests/fixtures"]);
        check(&seeds, 3_000, acknowledges_nothing_silently);
    }
}
