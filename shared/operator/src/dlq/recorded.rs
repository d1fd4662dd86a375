//! What the ledger knows of messages that SQS moved: nothing else may state why their last attempt failed.

use aws_sdk_dynamodb::types::AttributeValue;
use idempotency::{Item, Key, Record, Status, Timestamp};

use super::dead_letter::DeadLetter;
use crate::ledger::Ledger;
use crate::record::NO_REASON;
use crate::time;

/// Where the records of messages are whose function is not known.
pub(super) struct Lookup {
    pub(super) ledger: Ledger,
    pub(super) namespace: String,
}

impl Lookup {
    /// What the records of these messages state, in order. `None`: a message states its reason itself.
    pub(super) async fn all(&self, dead_letters: &[DeadLetter]) -> Vec<Option<String>> {
        let mut all = Vec::with_capacity(dead_letters.len());
        for dead_letter in dead_letters {
            all.push(match dead_letter.lacks_reason() {
                true => Some(self.one(dead_letter).await),
                false => None,
            });
        }
        all
    }

    async fn one(&self, dead_letter: &DeadLetter) -> String {
        let key = match Key::new(&self.namespace, dead_letter.key()) {
            Ok(key) => key,
            Err(why) => return why.to_string(),
        };
        match self.ledger.item(&key).await {
            Ok(item) => stated(&key, item.as_ref(), Timestamp::now()),
            // One record that can't be read must not hide the other messages.
            Err(error) => crate::error::chain(&error),
        }
    }
}

/// What a record states about the last attempt of its message.
fn stated(key: &Key, item: Option<&Item>, now: Timestamp) -> String {
    let Some(item) = item else {
        return "none: its last attempt failed and released the key, or none began; the log states why".to_owned();
    };
    let record = match Record::from_item(key, item) {
        Ok(record) => record,
        Err(error) => return crate::error::chain(&error),
    };
    match (record.status, record.lease_end) {
        (Status::InProgress, Some(end)) if end < now => {
            format!("INPROGRESS, lease ended {}: {NO_REASON}", time::point(end, now))
        }
        (Status::InProgress, Some(end)) => {
            format!(
                "INPROGRESS, lease ends {}: it may still be processed",
                time::point(end, now)
            )
        }
        (Status::InProgress, None) => format!("INPROGRESS: {NO_REASON}"),
        (Status::Completed, _) => "COMPLETED: its work is done; a redrive sends what is not sent yet".to_owned(),
        (Status::Rejected, _) => {
            let reason = item
                .get("reason")
                .and_then(|reason: &AttributeValue| reason.as_s().ok());
            format!("REJECTED: {}", reason.map_or("no reason is recorded", String::as_str))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn of(status: &str, attributes: &[(&str, AttributeValue)]) -> String {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut item: HashMap<_, _> = [
            ("id".to_owned(), text("n#k")),
            ("status".to_owned(), text(status)),
            ("expiration".to_owned(), AttributeValue::N("4102444800".to_owned())),
        ]
        .into();
        item.extend(
            attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        stated(&Key::new("n", "k").unwrap(), Some(&item), NOW)
    }

    #[test]
    fn a_record_states_what_became_of_the_last_attempt() {
        let lease = |millis: u64| ("in_progress_expiration", AttributeValue::N(millis.to_string()));
        let over = of("INPROGRESS", &[lease(NOW.millis() - 60_000)]);
        assert_eq!(
            over,
            format!("INPROGRESS, lease ended 2023-11-14T22:12:20Z, 1 min ago: {NO_REASON}")
        );
        let running = of("INPROGRESS", &[lease(NOW.millis() + 60_000)]);
        assert!(running.ends_with(", in 1 min: it may still be processed"), "{running}");
        let reason = ("reason", AttributeValue::S("wrong sum".to_owned()));
        assert_eq!(of("REJECTED", &[reason]), "REJECTED: wrong sum");
        assert!(of("COMPLETED", &[]).starts_with("COMPLETED: its work is done"));
        assert!(of("UNHEARD", &[]).contains("status"), "{}", of("UNHEARD", &[]));
        let none = stated(&Key::new("n", "k").unwrap(), None, NOW);
        assert!(none.starts_with("none: "), "{none}");
    }
}
