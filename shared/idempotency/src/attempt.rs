//! An attempt to process a key.

use std::time::Duration;

use uuid::Uuid;

use crate::{Key, Timestamp};

/// How long a record is retained by default: a day longer than a queue can retain a message.
///
/// SQS retains at most 14 days
/// ([quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)).
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// Proves that a record was written by a certain attempt: fresh, random, 36 characters.
///
/// Thirty-six is what DynamoDB allows for a `ClientRequestToken`, which is this very token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerToken(String);

impl OwnerToken {
    fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The token, as the record holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for OwnerToken {
    fn from(token: String) -> Self {
        Self(token)
    }
}

/// One attempt to process a key, before its claim is made.
///
/// Every time and the owner of its requests are fixed here, so that a request that is sent again is the same to the
/// byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    key: Key,
    owner: OwnerToken,
    now: Timestamp,
    lease_end: Timestamp,
    retention: Duration,
    fingerprint: Option<String>,
}

impl Attempt {
    /// An attempt made `now`, whose lease would end at `lease_end`, with a fresh owner token.
    ///
    /// The end of the lease only limits how long others wait. The owner token is what keeps attempts from overwriting
    /// each other.
    pub fn new(key: Key, now: Timestamp, lease_end: Timestamp) -> Self {
        Self {
            key,
            owner: OwnerToken::fresh(),
            now,
            lease_end,
            retention: DEFAULT_RETENTION,
            fingerprint: None,
        }
    }

    /// Retain the record for this long instead of [`DEFAULT_RETENTION`].
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// Refuse the key if its record was made for a payload with another fingerprint.
    ///
    /// For keys other than the message ID: a business key seen with another payload is an error, not a duplicate
    /// (promise 8).
    #[must_use]
    pub fn with_fingerprint(self, fingerprint: impl Into<String>) -> Self {
        Self {
            fingerprint: Some(fingerprint.into()),
            ..self
        }
    }

    /// The same attempt with another end of its lease.
    pub(crate) fn with_lease_end(self, lease_end: Timestamp) -> Self {
        Self { lease_end, ..self }
    }

    /// The key to process.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The token that this attempt's records carry.
    pub fn owner(&self) -> &OwnerToken {
        &self.owner
    }

    /// When the attempt was made.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the lease ends, if it is granted.
    pub fn lease_end(&self) -> Timestamp {
        self.lease_end
    }

    /// Fingerprint of the payload, if the key is not the message ID.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// When the record expires, in seconds since the epoch.
    ///
    /// Always later than the end of the lease; otherwise expiry would free a live claim.
    pub fn expiration_seconds(&self) -> u64 {
        let retained = self.now.plus(self.retention).seconds();
        retained.max(self.lease_end.seconds() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        let now = Timestamp::from_millis(1_000_000);
        Attempt::new(Key::new("n", "k").unwrap(), now, now.plus(Duration::from_secs(600)))
    }

    #[test]
    fn a_record_expires_after_its_lease() {
        let short = attempt().with_retention(Duration::from_secs(1));
        assert!(short.expiration_seconds() * 1000 > short.lease_end().millis());
    }

    #[test]
    fn a_record_outlives_every_message_in_a_queue() {
        let fourteen_days = 14 * 24 * 60 * 60;
        assert!(attempt().expiration_seconds() > attempt().now().seconds() + fourteen_days);
    }

    #[test]
    fn each_attempt_has_a_token_of_36_characters() {
        assert_ne!(attempt().owner(), attempt().owner());
        assert_eq!(attempt().owner().as_str().len(), 36);
    }
}
