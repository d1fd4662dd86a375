//! Why a change was refused.

use aws_sdk_dynamodb::types::CancellationReason;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;

use super::failure::conflict;
use super::item::{self, Item};
use super::write::DynamoDbWrite;
use crate::{Answer, Change, Decision, Refusal, StoreError, Write, decide};

/// Why the store refused a change, given the item that refused it.
pub(super) fn why(change: &Change<'_, DynamoDbWrite>, item: Option<&Item>) -> Result<Answer, StoreError> {
    let record = item.map(|item| item::record(change.key, item)).transpose()?;
    match decide(record.as_ref(), change) {
        Decision::Answer(answer) => Ok(answer),
        Decision::Apply => Err(StoreError::Inconsistent {
            id: change.key.record_id().to_owned(),
            why: match record {
                Some(_) => "it refused a change that the record allows".to_owned(),
                None => "it refused a change for a record that it does not return".to_owned(),
            },
        }),
    }
}

/// Why the store cancelled a transaction; `None` if neither a condition nor a conflict did.
pub(super) fn why_cancelled(
    change: &Change<'_, DynamoDbWrite>,
    cancelled: &TransactionCanceledException,
) -> Option<Result<Answer, StoreError>> {
    let mut in_order = cancelled.cancellation_reasons().iter();
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    if let Some(record) = in_order.next().filter(|reason| failed(reason)) {
        return Some(why(change, record.item()));
    }
    let refused = change.writes.iter().zip(in_order).enumerate();
    let refused = refused.filter_map(|(position, (write, reason))| match reason.code() {
        Some("ConditionalCheckFailed") => Some(write.refusal(reason.item())),
        // For example an item that would exceed its limit: it would be refused again.
        Some("ValidationError" | "ItemCollectionSizeLimitExceeded") => Some(Refusal::Permanent(format!(
            "{} can't be made: {}",
            named(position, write),
            reason.message().unwrap_or_default()
        ))),
        _ => None,
    });
    if let Some(refusal) = Refusal::combine(refused) {
        return Some(Ok(Answer::WriteRefused(refusal)));
    }
    // Each means that nothing was applied, and that it may be in a moment.
    let any = |codes: &[&str]| {
        let reasons = cancelled.cancellation_reasons().iter();
        let mut codes_of_reasons = reasons.filter_map(|reason| reason.code());
        codes_of_reasons.any(|code| codes.contains(&code))
    };
    if any(&["ThrottlingError", "ProvisionedThroughputExceeded"]) {
        // The table that is throttled may be one of the writes'.
        return Some(Err(StoreError::Throttled(reasons(change, cancelled).into())));
    }
    any(&["TransactionConflict"]).then(|| Err(conflict(change.key)))
}

/// The reasons of a cancelled transaction, each with its item; the SDK shows the codes alone.
pub(super) fn reasons(change: &Change<'_, DynamoDbWrite>, cancelled: &TransactionCanceledException) -> String {
    let writes = change.writes.iter().enumerate();
    let writes = writes.map(|(position, write)| named(position, write));
    let items = std::iter::once("the record".to_owned()).chain(writes);
    let reasons = items
        .zip(cancelled.cancellation_reasons())
        .filter(|(_, reason)| reason.code() != Some("None"))
        .map(|(item, reason)| {
            format!(
                "{item}: {}: {}",
                reason.code().unwrap_or_default(),
                reason.message().unwrap_or_default()
            )
        });
    reasons.collect::<Vec<_>>().join("; ")
}

/// A write by its position among the completion's, counted from zero, and its table.
fn named(position: usize, write: &DynamoDbWrite) -> String {
    format!("write {position} (table {})", write.table())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::Update;

    use super::*;
    use crate::{Attempt, Condition, Key, Timestamp};

    /// What a transaction of a record and two writes means that was cancelled for these reasons.
    fn cancelled(codes: [&str; 3]) -> Option<Result<Answer, StoreError>> {
        let update = Update::builder().table_name("orders").update_expression("SET a = b");
        let write = DynamoDbWrite::update(update.set_key(Some(Item::new())).build().unwrap());
        let now = Timestamp::from_millis(1_700_000_000_000);
        let attempt = Attempt::new(Key::new("n", "k").unwrap(), now, now);
        let change = Change {
            key: attempt.key(),
            condition: Condition::Free(&attempt),
            record: None,
            writes: &[write.clone(), write],
        };
        let reason = |code| CancellationReason::builder().code(code).message("why").build();
        let reasons = codes.map(reason).to_vec();
        let cancelled = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons));
        why_cancelled(&change, &cancelled.build())
    }

    #[test]
    fn a_failed_condition_of_a_write_outweighs_a_conflict() {
        let refused = cancelled(["TransactionConflict", "ConditionalCheckFailed", "None"]);
        assert!(
            matches!(refused, Some(Ok(Answer::WriteRefused(Refusal::Retry(_))))),
            "{refused:?}"
        );
    }

    #[test]
    fn an_invalid_write_is_refused_for_good_and_named() {
        for code in ["ValidationError", "ItemCollectionSizeLimitExceeded"] {
            let refusal = Refusal::Permanent("write 1 (table orders) can't be made: why".to_owned());
            let refused = cancelled(["None", "None", code]);
            assert_eq!(refused.unwrap().unwrap(), Answer::WriteRefused(refusal));
        }
    }

    /// A table without capacity is no conflict: its alarm and its fix are others.
    #[test]
    fn a_throttled_transaction_is_throttled_and_no_conflict() {
        for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
            let error = cancelled(["TransactionConflict", "None", code]).unwrap().unwrap_err();
            let StoreError::Throttled(why) = &error else {
                panic!("{error:?}");
            };
            assert_eq!(
                why.to_string(),
                format!("the record: TransactionConflict: why; write 1 (table orders): {code}: why")
            );
        }
        for codes in [
            ["TransactionConflict", "None", "None"],
            ["None", "None", "TransactionConflict"],
        ] {
            let error = cancelled(codes).unwrap().unwrap_err();
            assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
        }
        assert!(cancelled(["None", "None", "UnknownCode"]).is_none());
    }
}
