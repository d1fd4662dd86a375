//! Stored records as literal samples: a table outlives every version of this crate, so each must be read and written as
//! it is.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{self, Item};
use super::size;
use crate::{Attempt, Completion, Key, NoWrites, OutgoingMessage, OwnerToken, Record, Status, Timestamp};

const OWNER: &str = "ae2e3d72-b32d-4c47-aef4-0e367a8accb5";
const FINGERPRINT: &str = "3ca4eda1ebfd02e4296104981a1e65d4e87e99084ac993fafbc515a8f6a8ad84";
const OUTGOING: &str = concat!(
    r#"[{"queue_url":"https://queue/1","body":"{\"text\": \"Grüße\\n\"}","key":"place-order#m-1/0","#,
    r#""attributes":{"empty":"","kind":"📦 \"parcel\""}},"#,
    r#"{"queue_url":"https://queue/2.fifo","body":"second","key":"the second","group":"g"},"#,
    r#"{"queue_url":"https://queue/1","body":"","key":"place-order#m-1/2"}]"#
);

/// Whole numbers are of the type N, all else is of the type S.
fn item_of(attributes: &[(&str, &str)]) -> Item {
    let value = |name: &str, value: &str| match name {
        "expiration" | "in_progress_expiration" => AttributeValue::N(value.to_owned()),
        _ => AttributeValue::S(value.to_owned()),
    };
    let attributes = attributes.iter();
    attributes
        .map(|(name, text)| ((*name).to_owned(), value(name, text)))
        .collect()
}

fn key() -> Key {
    Key::new("place-order", "m-1").unwrap()
}

fn attempt() -> Attempt {
    let now = Timestamp::from_millis(1_700_000_000_123);
    Attempt::new(key(), now, now.plus(Duration::from_secs(31)))
}

fn outgoing() -> Vec<OutgoingMessage> {
    Completion::<NoWrites>::new()
        .send(
            OutgoingMessage::new("https://queue/1", "{\"text\": \"Grüße\\n\"}")
                .with_attribute("kind", "\u{1f4e6} \"parcel\"")
                .with_attribute("empty", ""),
        )
        .send(
            OutgoingMessage::new("https://queue/2.fifo", "second")
                .with_group("g")
                .with_key("the second"),
        )
        .send(OutgoingMessage::new("https://queue/1", ""))
        .into_outgoing(&key())
}

/// A record as the protocol makes it, a sample as the table holds it, and its size as DynamoDB counts it.
fn samples() -> [(Record, Item, usize); 4] {
    let plain = attempt();
    let keyed = attempt()
        .with_fingerprint(FINGERPRINT)
        .with_retention(Duration::from_secs(3600));
    [
        (
            Record::claimed(&plain),
            item_of(&[
                ("id", "place-order#m-1"),
                ("status", "INPROGRESS"),
                ("owner", OWNER),
                ("in_progress_expiration", "1700000031123"),
                ("expiration", "1701296000"),
            ]),
            121,
        ),
        (
            Record::claimed(&keyed),
            item_of(&[
                ("id", "place-order#m-1"),
                ("status", "INPROGRESS"),
                ("owner", OWNER),
                ("in_progress_expiration", "1700000031123"),
                ("expiration", "1700003600"),
                ("validation", FINGERPRINT),
            ]),
            195,
        ),
        (
            Record::completed(&plain, Some("{\"n\":1}".to_owned()), outgoing()),
            item_of(&[
                ("id", "place-order#m-1"),
                ("status", "COMPLETED"),
                ("owner", OWNER),
                ("expiration", "1701296000"),
                ("data", "{\"n\":1}"),
                ("outgoing", OUTGOING),
            ]),
            407,
        ),
        (
            Record::rejected(&plain, "does not add up"),
            item_of(&[
                ("id", "place-order#m-1"),
                ("status", "REJECTED"),
                ("owner", OWNER),
                ("expiration", "1701296000"),
                ("reason", "does not add up"),
            ]),
            110,
        ),
    ]
}

#[test]
fn records_are_written_as_every_version_wrote_them() {
    for (record, sample, bytes) in samples() {
        // The token is random, and always of this length.
        let owner = Some(OwnerToken::from(OWNER.to_owned()));
        let record = Record { owner, ..record };
        assert_eq!(item::of(&key(), &record), sample);
        assert_eq!(size::bytes(&key(), &record), bytes, "{sample:?}");
    }
}

#[test]
fn records_of_every_version_are_read() {
    for (record, sample, _) in samples() {
        let owner = Some(OwnerToken::from(OWNER.to_owned()));
        assert_eq!(item::record(&key(), &sample).unwrap(), Record { owner, ..record });
    }
}

/// Powertools writes no owner, leaves the end of the lease in a completed record, and may write a claim without one.
#[test]
fn records_of_powertools_are_read() {
    let record = |status, lease_end, data| Record {
        status,
        owner: None,
        lease_end,
        expiration_seconds: 1_700_003_600,
        fingerprint: Some("b1946ac92492d2347c6235b4d2611184".to_owned()),
        data,
        outgoing: Vec::new(),
        reason: None,
    };
    let completed = item_of(&[
        ("id", "place-order#m-1"),
        ("status", "COMPLETED"),
        ("expiration", "1700003600"),
        ("in_progress_expiration", "1700000031123"),
        ("validation", "b1946ac92492d2347c6235b4d2611184"),
        ("data", "{\"statusCode\":200}"),
    ]);
    assert_eq!(
        item::record(&key(), &completed).unwrap(),
        record(
            Status::Completed,
            Some(Timestamp::from_millis(1_700_000_031_123)),
            Some("{\"statusCode\":200}".to_owned())
        )
    );
    let claimed = item_of(&[
        ("id", "place-order#m-1"),
        ("status", "INPROGRESS"),
        ("expiration", "1700003600"),
        ("validation", "b1946ac92492d2347c6235b4d2611184"),
    ]);
    assert_eq!(
        item::record(&key(), &claimed).unwrap(),
        record(Status::InProgress, None, None)
    );
}
