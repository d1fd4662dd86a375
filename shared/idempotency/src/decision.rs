//! What a record means for a change: the protocol in one pure function.
//!
//! The in-memory ledger runs it. The DynamoDB ledger states the same as condition expressions, and runs it on the item
//! that refused a change to learn why. A test holds the two to each other over random histories.

use crate::{Attempt, Key, OwnerToken, Record, Standing, Status, Timestamp, Write};

/// One conditional request of a ledger to its store: everything in it happens, or nothing.
#[derive(Debug)]
pub struct Change<'a> {
    /// Whose record is changed.
    pub key: &'a Key,
    /// What must hold for the record there is.
    pub condition: Condition<'a>,
    /// The record there is to be; `None`: none.
    pub record: Option<Record>,
    /// What is to happen together with it.
    pub writes: &'a [Write],
}

/// What must hold for a record to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// The key is free for this attempt: there is no record, or it has expired, or it is a claim whose lease is over
    /// and whose fingerprint, where one is kept, is the same.
    Free(&'a Attempt),
    /// The record is a claim of this owner's. Time plays no part: a holder whose lease is over but was not taken may
    /// still settle it, for refusing it would only repeat its effects.
    Held(&'a OwnerToken),
}

impl<'a> Condition<'a> {
    /// Who asks.
    pub fn owner(&self) -> &'a OwnerToken {
        match self {
            Self::Free(attempt) => attempt.owner(),
            Self::Held(owner) => owner,
        }
    }
}

/// Whether a change may happen, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Apply,
    /// It happened already: the reply was lost, and this is the same request once more.
    AlreadyApplied,
    /// The key is not free.
    NotFree(Standing),
    /// The record is not, or no longer, a claim of the owner's.
    Lost,
}

/// What `record` means for `change`.
pub fn decide(record: Option<&Record>, change: &Change<'_>) -> Decision {
    let mine = record.is_some_and(|record| record.owner.as_ref() == Some(change.condition.owner()));
    let decision = match (change.condition, record) {
        (Condition::Free(_), None) => Decision::Apply,
        (Condition::Free(attempt), Some(record)) => free(record, attempt),
        (Condition::Held(_), Some(record)) if mine && record.status == Status::InProgress => Decision::Apply,
        (Condition::Held(_), _) => Decision::Lost,
    };
    // The condition comes first, as in any store: only a refused request can be one that was applied before.
    let released = record.is_none() && change.record.is_none();
    let status = |record: Option<&Record>| record.map(|record| record.status);
    if decision != Decision::Apply && (released || mine && status(record) == status(change.record.as_ref())) {
        return Decision::AlreadyApplied;
    }
    decision
}

fn free(record: &Record, attempt: &Attempt) -> Decision {
    if record.has_expired(attempt.now()) {
        return Decision::Apply;
    }
    if let (Some(recorded), Some(ours)) = (&record.fingerprint, attempt.fingerprint())
        && recorded != ours
    {
        return Decision::NotFree(Standing::OtherPayload {
            recorded: recorded.clone(),
        });
    }
    match record.status {
        Status::InProgress if record.lease_end.is_some_and(|end| end < attempt.now()) => Decision::Apply,
        Status::InProgress => Decision::NotFree(Standing::InProgress {
            // Powertools may write a claim without an end: it lasts until it expires.
            until: record
                .lease_end
                .unwrap_or(Timestamp::from_millis(record.expiration_seconds.saturating_mul(1000))),
            owner: record.owner.clone(),
        }),
        Status::Completed => Decision::NotFree(Standing::Completed {
            data: record.data.clone(),
            outgoing: record.outgoing.clone(),
        }),
        Status::Rejected => Decision::NotFree(Standing::Rejected(record.reason.clone().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Completion;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn attempt_at(now: Timestamp) -> Attempt {
        Attempt::new(Key::new("n", "k").unwrap(), now, now.plus(Duration::from_secs(30)))
    }

    fn claim_of(attempt: &Attempt) -> Record {
        Record::claimed(attempt)
    }

    fn done_by(attempt: &Attempt) -> Record {
        Record::completed(attempt, &Completion::new())
    }

    fn take<'a>(attempt: &'a Attempt, record: Record) -> Change<'a> {
        Change {
            key: attempt.key(),
            condition: Condition::Free(attempt),
            record: Some(record),
            writes: &[],
        }
    }

    fn settle<'a>(attempt: &'a Attempt, record: Option<Record>) -> Change<'a> {
        Change {
            key: attempt.key(),
            condition: Condition::Held(attempt.owner()),
            record,
            writes: &[],
        }
    }

    #[test]
    fn a_lease_is_over_the_millisecond_after_its_end() {
        let (first, end) = (attempt_at(NOW), NOW.plus(Duration::from_secs(30)));
        let held = Standing::InProgress {
            until: end,
            owner: Some(first.owner().clone()),
        };
        for (now, decision) in [
            (end, Decision::NotFree(held)),
            (end.plus(Duration::from_millis(1)), Decision::Apply),
        ] {
            let rival = attempt_at(now);
            assert_eq!(
                decide(Some(&claim_of(&first)), &take(&rival, claim_of(&rival))),
                decision
            );
        }
    }

    #[test]
    fn a_completed_record_is_free_only_once_it_has_expired() {
        let done = Record::completed(&attempt_at(NOW), &Completion::new().data("{}"));
        let expiry = Timestamp::from_millis(done.expiration_seconds * 1000);
        let late = attempt_at(expiry.plus(Duration::from_secs(1)));
        assert_eq!(decide(Some(&done), &take(&late, claim_of(&late))), Decision::Apply);

        let early = attempt_at(expiry);
        assert_eq!(
            decide(Some(&done), &take(&early, claim_of(&early))),
            Decision::NotFree(Standing::Completed {
                data: Some("{}".to_owned()),
                outgoing: vec![]
            })
        );
    }

    #[test]
    fn a_claim_that_powertools_wrote_without_an_end_lasts_until_it_expires() {
        let mut foreign = claim_of(&attempt_at(NOW));
        (foreign.owner, foreign.lease_end) = (None, None);
        let rival = attempt_at(NOW.plus(Duration::from_secs(3600)));
        let until = Timestamp::from_millis(foreign.expiration_seconds * 1000);
        assert_eq!(
            decide(Some(&foreign), &take(&rival, claim_of(&rival))),
            Decision::NotFree(Standing::InProgress { until, owner: None })
        );
    }

    #[test]
    fn every_request_sent_again_is_answered_as_if_the_first_reply_had_come() {
        let attempt = attempt_at(NOW);
        let claimed = claim_of(&attempt);
        let (completed, rejected) = (done_by(&attempt), Record::rejected(&attempt, "why"));
        for change in [
            take(&attempt, claimed),
            take(&attempt, completed.clone()),
            take(&attempt, rejected.clone()),
            settle(&attempt, Some(completed)),
            settle(&attempt, Some(rejected)),
            settle(&attempt, None),
        ] {
            assert_eq!(
                decide(change.record.as_ref(), &change),
                Decision::AlreadyApplied,
                "{change:?}"
            );
        }
    }

    #[test]
    fn an_extension_sent_again_extends_again() {
        let attempt = attempt_at(NOW);
        let change = settle(&attempt, Some(claim_of(&attempt)));
        assert_eq!(decide(change.record.as_ref(), &change), Decision::Apply);
    }

    #[test]
    fn whoever_lost_the_claim_can_change_nothing() {
        let (loser, winner) = (attempt_at(NOW), attempt_at(NOW));
        let theirs = claim_of(&winner);
        let mine = claim_of(&loser);
        for there in [theirs, done_by(&winner), Record::rejected(&winner, "why")] {
            for wanted in [
                Some(mine.clone()),
                Some(done_by(&loser)),
                Some(Record::rejected(&loser, "w")),
                None,
            ] {
                assert_eq!(decide(Some(&there), &settle(&loser, wanted)), Decision::Lost);
            }
        }
        assert_eq!(decide(None, &settle(&loser, Some(done_by(&loser)))), Decision::Lost);
    }

    #[test]
    fn a_completed_record_is_not_released_or_rejected_by_its_own_attempt() {
        let attempt = attempt_at(NOW);
        let done = done_by(&attempt);
        assert_eq!(decide(Some(&done), &settle(&attempt, None)), Decision::Lost);
        assert_eq!(
            decide(Some(&done), &settle(&attempt, Some(Record::rejected(&attempt, "w")))),
            Decision::Lost
        );
    }

    #[test]
    fn another_payload_under_the_same_key_is_told_from_a_duplicate_in_every_state() {
        let first = attempt_at(NOW).with_fingerprint("a");
        let claimed = claim_of(&first);
        let late = NOW.plus(Duration::from_secs(60));
        for there in [claimed, done_by(&first), Record::rejected(&first, "why")] {
            let other = attempt_at(late).with_fingerprint("b");
            assert_eq!(
                decide(Some(&there), &take(&other, claim_of(&other))),
                Decision::NotFree(Standing::OtherPayload {
                    recorded: "a".to_owned()
                })
            );
            let same = attempt_at(late).with_fingerprint("a");
            assert!(!matches!(
                decide(Some(&there), &take(&same, claim_of(&same))),
                Decision::NotFree(Standing::OtherPayload { .. })
            ));
        }
    }
}
