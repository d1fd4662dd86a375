//! What needs the ledger waits for it: an effect for its lease, an acknowledgement and an outgoing message for the record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use emulator::lambda::Event;

use crate::history::millis;

/// What Lambda did with messages, as it reports it.
#[derive(Default)]
pub(crate) struct Deliveries {
    acknowledged: Vec<Acknowledged>,
    /// By message ID: the first batch, and from when until when it was processed.
    first: BTreeMap<String, Batch>,
    batches: usize,
}

/// A message that its function's response does not list as failed.
struct Acknowledged {
    message: String,
    /// In milliseconds since 1970: when it was reported, which is later than the response.
    at: u64,
    in_outage: bool,
}

#[derive(Clone, Copy)]
struct Batch {
    number: usize,
    begun: u64,
    ended: u64,
}

/// When a message may be acknowledged.
pub(crate) enum May {
    /// From when its record was completed or rejected on, in milliseconds since 1970.
    From(u64),
    /// Not at all: its record is in progress or does not exist.
    Never,
    /// It has a dead letter because of another message's record, or this program does not know its key.
    Always,
}

impl Deliveries {
    pub(crate) fn note(&mut self, event: &Event, in_outage: bool) {
        let Event::BatchFinished {
            messages,
            failed,
            whole_batch,
            duration,
            ..
        } = event
        else {
            return;
        };
        let at = millis(SystemTime::now());
        self.batches += 1;
        let batch = Batch {
            number: self.batches,
            begun: at.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            ended: at,
        };
        for message in messages {
            self.first.entry(message.clone()).or_insert(batch);
            if whole_batch.is_none() && !failed.contains(message) {
                self.acknowledged.push(Acknowledged {
                    message: message.clone(),
                    at,
                    in_outage,
                });
            }
        }
    }

    /// Acknowledgements that came before their records.
    pub(crate) fn too_early(&self, may: impl Fn(&str) -> May) -> Vec<String> {
        let is_early = |acknowledged: &&Acknowledged| match may(&acknowledged.message) {
            May::From(finished) => acknowledged.at < finished,
            May::Never => true,
            May::Always => false,
        };
        let early = self.acknowledged.iter().filter(is_early);
        early
            .map(|Acknowledged { message, in_outage, .. }| match in_outage {
                true => format!(
                    "promise 7: message {message} was acknowledged while the ledger could not be reached, and it had no \
                     completed or rejected record"
                ),
                false => format!("promise 5: message {message} was acknowledged before its record was completed or rejected"),
            })
            .collect()
    }

    /// How many of these pairs of messages were first processed in different batches at the same time.
    pub(crate) fn at_once<'a>(&self, pairs: impl IntoIterator<Item = &'a [String; 2]>) -> usize {
        let overlap = |[one, other]: &&[String; 2]| {
            let batches = self.first.get(one).zip(self.first.get(other));
            batches.is_some_and(|(one, other)| {
                one.number != other.number && one.begun < other.ended && other.begun < one.ended
            })
        };
        pairs.into_iter().filter(overlap).count()
    }
}

/// Effects of a record that came before their leases, by promise: without any lease, and more than leases. `arrived`,
/// `granted`: when, in milliseconds since 1970.
pub(crate) fn without_lease(record: &str, arrived: &[u64], granted: &[u64]) -> Option<String> {
    let mut arrived = arrived.to_vec();
    arrived.sort_unstable();
    (1..).zip(arrived).find_map(|(effects, at)| {
        let leases = granted.iter().filter(|granted| **granted <= at).count();
        match leases {
            _ if effects <= leases => None,
            0 => Some(format!(
                "promise 7: the handler of {record} ran before a lease was granted"
            )),
            _ => Some(format!(
                "promise 1: the handler of {record} ran {effects} times under {leases} leases"
            )),
        }
    })
}

/// Messages of completions, and whether they were sent after these.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// The keys that completed records hold.
    recorded: BTreeSet<String>,
    /// Sent under a key that no record held then.
    early: BTreeSet<String>,
}

impl Outgoing {
    /// A completed record holds messages with these keys. It is noted before its function can know.
    pub(crate) fn recorded(&mut self, outgoing: &str) {
        let messages: serde_json::Value = serde_json::from_str(outgoing).unwrap_or_default();
        let keys = messages.as_array().into_iter().flatten();
        let keys = keys.filter_map(|message| message["key"].as_str().map(str::to_owned));
        self.recorded.extend(keys);
    }

    pub(crate) fn sent(&mut self, key: &str) {
        if !self.recorded.contains(key) {
            self.early.insert(key.to_owned());
        }
    }

    pub(crate) fn broken(&self) -> impl Iterator<Item = String> {
        self.early.iter().map(|key| {
            format!(
                "promise 7: the outgoing message {key:?} was sent before a completed record held it: without the ledger, nothing is"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn finish(deliveries: &mut Deliveries, messages: &[&str], failed: &[&str], in_outage: bool) {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let event = Event::BatchFinished {
            function: "f".to_owned(),
            queue: "q".to_owned(),
            messages: owned(messages),
            failed: owned(failed),
            whole_batch: None,
            duration: Duration::from_secs(1),
        };
        deliveries.note(&event, in_outage);
    }

    fn promises(broken: &[String]) -> Vec<&str> {
        let promises = broken.iter().filter_map(|why| why.split_once(':'));
        promises.map(|(promise, _)| promise).collect()
    }

    #[test]
    fn an_acknowledgement_without_a_record_breaks_5_or_in_outage_7() {
        let mut deliveries = Deliveries::default();
        finish(&mut deliveries, &["a", "b"], &["b"], false);
        finish(&mut deliveries, &["b"], &[], true);
        let broken = deliveries.too_early(|_| May::Never);
        assert_eq!(promises(&broken), ["promise 5", "promise 7"]);
        let later = millis(SystemTime::now()) + 60_000;
        assert_eq!(deliveries.too_early(|_| May::From(later)).len(), 2);
        assert_eq!(deliveries.too_early(|_| May::From(1)), [""; 0]);
        assert_eq!(deliveries.too_early(|_| May::Always), [""; 0]);
    }

    #[test]
    fn two_messages_are_at_once_only_in_two_batches() {
        let mut deliveries = Deliveries::default();
        finish(&mut deliveries, &["a", "b"], &[], false);
        finish(&mut deliveries, &["c"], &[], false);
        let pair = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
        assert_eq!(deliveries.at_once(&[pair("a", "b")]), 0);
        assert_eq!(deliveries.at_once(&[pair("a", "c")]), 1);
        assert_eq!(deliveries.at_once(&[pair("a", "unknown")]), 0);
    }

    #[test]
    fn an_effect_before_its_lease_breaks_7_and_one_too_many_1() {
        assert_eq!(without_lease("r", &[20, 40], &[10, 30]), None);
        let broken = [(&[20][..], &[][..]), (&[20], &[30]), (&[20, 30], &[10])];
        let broken: Vec<_> = broken
            .iter()
            .filter_map(|(arrived, granted)| without_lease("r", arrived, granted))
            .collect();
        assert_eq!(promises(&broken), ["promise 7", "promise 7", "promise 1"]);
    }

    #[test]
    fn a_message_sent_before_its_record_is_found() {
        let mut outgoing = Outgoing::default();
        outgoing.recorded(r#"[{"queue_url":"q","body":"b","key":"a"}]"#);
        outgoing.sent("a");
        assert_eq!(outgoing.broken().count(), 0);
        outgoing.sent("b");
        outgoing.recorded(r#"[{"queue_url":"q","body":"b","key":"b"}]"#);
        assert!(
            outgoing
                .broken()
                .all(|why| why.starts_with("promise 7: ") && why.contains("\"b\""))
        );
        assert_eq!(outgoing.broken().count(), 1);
    }
}
