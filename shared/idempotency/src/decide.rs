//! What a record means for a change: the protocol in one pure function.
//!
//! The memory store runs it. Other stores state it in their own language, and run it on the record that refused a
//! change to learn why. A test holds them to each other over random histories.

use crate::{Answer, Attempt, Change, Condition, Existing, Record, Status, Timestamp};

/// Whether a change may be applied, and otherwise the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Apply,
    /// It may not. [`Answer::Applied`] means that an earlier copy of the same request was (promise 4).
    Answer(Answer),
}

/// What `record` means for `change`.
pub fn decide<W>(record: Option<&Record>, change: &Change<'_, W>) -> Decision {
    let mine = record.is_some_and(|record| record.owner.as_ref() == Some(change.condition.owner()));
    let claim_of_mine = record.filter(|record| mine && record.status == Status::InProgress);
    let refused = match (change.condition, record) {
        (Condition::Free(_), None) => None,
        (Condition::Free(attempt), Some(record)) => not_free(record, attempt).map(Answer::NotFree),
        (Condition::Held(_), _) => claim_of_mine.is_none().then_some(Answer::Lost),
        (Condition::HeldUntil(_, end), _) => {
            let ends_before = claim_of_mine.is_some_and(|record| record.lease_end.is_some_and(|there| there <= end));
            (!ends_before).then_some(Answer::Lost)
        }
    };
    let Some(answer) = refused else {
        return Decision::Apply;
    };
    // Only a refused request can be one that was applied before: a store tests the condition first. A record of mine in
    // the requested status means that it was; of an extension it also means that the lease ends later already (promise
    // 1).
    let released = record.is_none() && change.record.is_none();
    let status = |record: Option<&Record>| record.map(|record| record.status);
    match released || mine && status(record) == status(change.record) {
        true => Decision::Answer(Answer::Applied),
        false => Decision::Answer(answer),
    }
}

/// Why an attempt can't have the key of this record; `None`: it can.
fn not_free(record: &Record, attempt: &Attempt) -> Option<Existing> {
    if record.has_expired(attempt.now()) {
        return None;
    }
    if let (Some(recorded), Some(ours)) = (&record.fingerprint, attempt.fingerprint())
        && recorded != ours
    {
        return Some(Existing::OtherPayload {
            recorded: recorded.clone(),
        });
    }
    match record.status {
        Status::InProgress if record.lease_end.is_some_and(|end| end < attempt.now()) => None,
        Status::InProgress => Some(Existing::InProgress {
            // Powertools may write a claim without an end: it lasts until it expires.
            until: record
                .lease_end
                .unwrap_or(Timestamp::from_millis(record.expiration_seconds.saturating_mul(1000))),
            owner: record.owner.clone(),
        }),
        Status::Completed => Some(Existing::Completed {
            data: record.data.clone(),
            outgoing: record.outgoing.clone(),
        }),
        Status::Rejected => Some(Existing::Rejected(record.reason.clone().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Key, NoWrites};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn attempt_at(now: Timestamp) -> Attempt {
        Attempt::new(Key::new("n", "k").unwrap(), now, now.plus(Duration::from_secs(30)))
    }

    fn claim_of(attempt: &Attempt) -> Record {
        Record::claimed(attempt)
    }

    fn done_by(attempt: &Attempt) -> Record {
        Record::completed(attempt, None, Vec::new())
    }

    fn change<'a>(attempt: &'a Attempt, condition: Condition<'a>, record: Option<&'a Record>) -> Change<'a, NoWrites> {
        Change {
            key: attempt.key(),
            condition,
            record,
            writes: &[],
        }
    }

    /// What the record there means for an attempt to take the key.
    fn take(there: Option<&Record>, attempt: &Attempt, record: &Record) -> Decision {
        decide(there, &change(attempt, Condition::Free(attempt), Some(record)))
    }

    /// What it means for a holder that settles it.
    fn settle(there: Option<&Record>, attempt: &Attempt, record: Option<&Record>) -> Decision {
        decide(there, &change(attempt, Condition::Held(attempt.owner()), record))
    }

    /// What it means for a holder that extends its lease.
    fn extend(there: Option<&Record>, attempt: &Attempt, end: Timestamp) -> Decision {
        let record = claim_of(&attempt.clone().with_lease_end(end));
        decide(
            there,
            &change(attempt, Condition::HeldUntil(attempt.owner(), end), Some(&record)),
        )
    }

    fn not_free(existing: Existing) -> Decision {
        Decision::Answer(Answer::NotFree(existing))
    }

    const LOST: Decision = Decision::Answer(Answer::Lost);
    const APPLIED: Decision = Decision::Answer(Answer::Applied);

    #[test]
    fn a_lease_is_over_the_millisecond_after_its_end() {
        let (first, end) = (attempt_at(NOW), NOW.plus(Duration::from_secs(30)));
        let held = Existing::InProgress {
            until: end,
            owner: Some(first.owner().clone()),
        };
        for (now, decision) in [
            (end, not_free(held)),
            (end.plus(Duration::from_millis(1)), Decision::Apply),
        ] {
            let rival = attempt_at(now);
            assert_eq!(take(Some(&claim_of(&first)), &rival, &claim_of(&rival)), decision);
        }
    }

    #[test]
    fn a_completed_record_is_free_only_once_it_has_expired() {
        let done = Record::completed(&attempt_at(NOW), Some("{}".to_owned()), Vec::new());
        let expiry = Timestamp::from_millis(done.expiration_seconds * 1000);
        let late = attempt_at(expiry.plus(Duration::from_secs(1)));
        assert_eq!(take(Some(&done), &late, &claim_of(&late)), Decision::Apply);

        let early = attempt_at(expiry);
        let existing = Existing::Completed {
            data: Some("{}".to_owned()),
            outgoing: vec![],
        };
        assert_eq!(take(Some(&done), &early, &claim_of(&early)), not_free(existing));
    }

    #[test]
    fn a_claim_of_powertools_without_an_end_lasts_until_it_expires() {
        let mut foreign = claim_of(&attempt_at(NOW));
        (foreign.owner, foreign.lease_end) = (None, None);
        let rival = attempt_at(NOW.plus(Duration::from_secs(3600)));
        let until = Timestamp::from_millis(foreign.expiration_seconds * 1000);
        assert_eq!(
            take(Some(&foreign), &rival, &claim_of(&rival)),
            not_free(Existing::InProgress { until, owner: None })
        );
    }

    #[test]
    fn a_request_sent_again_finds_itself_applied() {
        let attempt = attempt_at(NOW);
        let (completed, rejected) = (done_by(&attempt), Record::rejected(&attempt, "why"));
        for record in [&claim_of(&attempt), &completed, &rejected] {
            assert_eq!(take(Some(record), &attempt, record), APPLIED, "{record:?}");
        }
        for record in [Some(&completed), Some(&rejected), None] {
            assert_eq!(settle(record, &attempt, record), APPLIED, "{record:?}");
        }
    }

    #[test]
    fn an_extension_never_moves_an_end_backwards() {
        let attempt = attempt_at(NOW);
        let (earlier, end, later) = (NOW, attempt.lease_end(), NOW.plus(Duration::from_secs(60)));
        let there = claim_of(&attempt);
        for (to, decision) in [(later, Decision::Apply), (end, Decision::Apply), (earlier, APPLIED)] {
            assert_eq!(extend(Some(&there), &attempt, to), decision);
        }
    }

    #[test]
    fn only_a_claim_of_ones_own_is_extended() {
        let (attempt, other) = (attempt_at(NOW), attempt_at(NOW));
        let later = NOW.plus(Duration::from_secs(60));
        for there in [
            None,
            Some(claim_of(&other)),
            Some(done_by(&attempt)),
            Some(Record::rejected(&attempt, "why")),
        ] {
            assert_eq!(extend(there.as_ref(), &attempt, later), LOST, "{there:?}");
        }
    }

    #[test]
    fn a_holder_that_lost_its_claim_can_change_nothing() {
        let (loser, winner) = (attempt_at(NOW), attempt_at(NOW));
        let (mine, done, rejected) = (claim_of(&loser), done_by(&loser), Record::rejected(&loser, "w"));
        for there in [claim_of(&winner), done_by(&winner), Record::rejected(&winner, "why")] {
            for wanted in [Some(&mine), Some(&done), Some(&rejected), None] {
                assert_eq!(settle(Some(&there), &loser, wanted), LOST);
            }
        }
        assert_eq!(settle(None, &loser, Some(&done)), LOST);
    }

    #[test]
    fn a_completed_record_survives_its_own_late_failure() {
        let attempt = attempt_at(NOW);
        let done = done_by(&attempt);
        assert_eq!(settle(Some(&done), &attempt, None), LOST);
        let rejected = Record::rejected(&attempt, "w");
        assert_eq!(settle(Some(&done), &attempt, Some(&rejected)), LOST);
    }

    #[test]
    fn another_payload_is_no_duplicate_in_any_state() {
        let first = attempt_at(NOW).with_fingerprint("a");
        let late = NOW.plus(Duration::from_secs(60));
        for there in [claim_of(&first), done_by(&first), Record::rejected(&first, "why")] {
            let other = attempt_at(late).with_fingerprint("b");
            let recorded = "a".to_owned();
            assert_eq!(
                take(Some(&there), &other, &claim_of(&other)),
                not_free(Existing::OtherPayload { recorded })
            );
            let same = attempt_at(late).with_fingerprint("a");
            assert!(!matches!(
                take(Some(&there), &same, &claim_of(&same)),
                Decision::Answer(Answer::NotFree(Existing::OtherPayload { .. }))
            ));
        }
    }
}
