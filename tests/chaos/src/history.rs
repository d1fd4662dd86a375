//! What took effect in the ledger and at the queues, as seen from outside the functions: promises 1, 2, 3, 6 and 7.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use emulator::dynamodb::written;
use serde_json::Value;

use crate::ledger::Outgoing;

/// A request took effect in this time, in milliseconds since 1970: when it was sent, and when its reply was there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    begun: u64,
    ended: u64,
}

impl Interval {
    pub(crate) fn until_now(begun: SystemTime) -> Self {
        Self {
            begun: millis(begun),
            ended: millis(SystemTime::now()),
        }
    }
}

pub(crate) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A change of a record.
#[derive(Debug, Clone)]
struct Change {
    at: Interval,
    owner: String,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Claimed {
        lease_end: u64,
    },
    /// With or without writes.
    Completed {
        writes: bool,
    },
    Rejected,
    Released,
}

/// A lease that was granted.
pub(crate) struct Lease {
    pub(crate) owner: String,
    /// In milliseconds since 1970: when its reply was there, which is before its function had it.
    pub(crate) granted: u64,
    /// In milliseconds since 1970.
    pub(crate) end: u64,
    /// Its owner completed the record.
    pub(crate) is_completed: bool,
}

/// Everything that took effect.
#[derive(Default)]
pub(crate) struct History(Mutex<Effects>);

#[derive(Default)]
struct Effects {
    /// By record ID.
    changes: BTreeMap<String, Vec<Change>>,
    /// The idempotency keys of the messages that functions sent, by message ID.
    sent: BTreeMap<String, String>,
    outgoing: Outgoing,
}

impl History {
    /// Notes a successful request of a function.
    pub(crate) fn note(&self, operation: &str, request: &Value, reply: &Value, at: Interval) {
        let operation = operation.rsplit('.').next().unwrap_or_default();
        let mut effects = self.effects();
        match operation {
            "PutItem" => effects.put(&request["Item"], false, at),
            "BatchExecuteStatement" => effects.statements(request, reply, at),
            "DeleteItem" => effects.release(request, at),
            "TransactWriteItems" => effects.put(&request["TransactItems"][0]["Put"]["Item"], true, at),
            "SendMessage" | "SendMessageBatch" => effects.sent(request, reply),
            _ => {}
        }
    }

    /// The idempotency key of a message that a function sent.
    pub(crate) fn sent(&self) -> BTreeMap<String, String> {
        self.effects().sent.clone()
    }

    /// The leases that were granted for a record, in their order.
    pub(crate) fn leases(&self, record: &str) -> Vec<Lease> {
        let effects = self.effects();
        let changes = effects.changes.get(record).map(Vec::as_slice).unwrap_or_default();
        let mut leases = Vec::<Lease>::new();
        for change in changes {
            if let What::Claimed { lease_end } = change.what
                && !leases.iter().any(|lease| lease.owner == change.owner)
            {
                let completed =
                    |other: &Change| other.owner == change.owner && matches!(other.what, What::Completed { .. });
                leases.push(Lease {
                    owner: change.owner.clone(),
                    granted: change.at.ended,
                    end: lease_end,
                    is_completed: changes.iter().any(completed),
                });
            }
        }
        leases
    }

    /// When a record was completed or rejected first, in milliseconds since 1970.
    pub(crate) fn finished(&self, record: &str) -> Option<u64> {
        let effects = self.effects();
        let changes = effects.changes.get(record).into_iter().flatten();
        let finished = changes.filter(|change| matches!(change.what, What::Completed { .. } | What::Rejected));
        finished.map(|change| change.at.begun).min()
    }

    /// Broken promises, and how many records' writes were committed more than once.
    pub(crate) fn broken(&self) -> (Vec<String>, usize) {
        let effects = self.effects();
        let mut broken = Vec::new();
        let mut repeated = 0;
        for (record, changes) in &effects.changes {
            let commits = commits(changes);
            if commits > 1 {
                repeated += 1;
                broken.push(format!(
                    "promise 6: the writes of {record} were committed {commits} times"
                ));
            }
            broken.extend(overlap(changes).map(|why| format!("promise 1: {record}: {why}")));
            broken.extend(changed_by_loser(changes).map(|why| format!("promise 2: {record}: {why}")));
            broken.extend(replaced(changes).map(|why| format!("promises 2 and 3: {record}: {why}")));
        }
        broken.extend(effects.outgoing.broken());
        (broken, repeated)
    }

    fn effects(&self) -> MutexGuard<'_, Effects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Effects {
    fn put(&mut self, item: &Value, writes: bool, at: Interval) {
        let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        let lease_end = item["in_progress_expiration"]["N"]
            .as_str()
            .and_then(|end| end.parse().ok());
        let what = match text("status").as_str() {
            "INPROGRESS" => What::Claimed {
                lease_end: lease_end.unwrap_or_default(),
            },
            "COMPLETED" => What::Completed { writes },
            _ => What::Rejected,
        };
        if matches!(what, What::Completed { .. }) {
            self.outgoing.recorded(&text("outgoing"));
        }
        let change = Change {
            at,
            owner: text("owner"),
            what,
        };
        self.changes.entry(text("id")).or_default().push(change);
    }

    /// Those statements that were not refused.
    fn statements(&mut self, request: &Value, reply: &Value, at: Interval) {
        let replies = reply["Responses"].as_array().into_iter().flatten();
        for (item, reply) in written(request).iter().zip(replies) {
            if reply["Error"].is_null() {
                self.put(item, false, at);
            }
        }
    }

    fn release(&mut self, request: &Value, at: Interval) {
        let id = request["Key"]["id"]["S"].as_str().unwrap_or_default().to_owned();
        let owner = request["ExpressionAttributeValues"][":owner"]["S"].as_str();
        let change = Change {
            at,
            owner: owner.unwrap_or_default().to_owned(),
            what: What::Released,
        };
        self.changes.entry(id).or_default().push(change);
    }

    fn sent(&mut self, request: &Value, reply: &Value) {
        let is_dead_letter = request["QueueUrl"].as_str().is_some_and(|url| url.contains("-dlq"));
        for success in reply["Successful"].as_array().into_iter().flatten() {
            let mut entries = request["Entries"].as_array().into_iter().flatten();
            let entry = entries.find(|entry| entry["Id"] == success["Id"]);
            let key = entry.and_then(|entry| entry["MessageAttributes"]["IdempotencyKey"]["StringValue"].as_str());
            if let (Some(key), Some(message)) = (key, success["MessageId"].as_str()) {
                self.sent.insert(message.to_owned(), key.to_owned());
                if !is_dead_letter {
                    self.outgoing.sent(key);
                }
            }
        }
    }
}

/// A transaction that is sent again succeeds again under its token, the owner, and commits nothing.
fn commits(changes: &[Change]) -> usize {
    let commits = changes
        .iter()
        .filter(|change| change.what == What::Completed { writes: true });
    commits.map(|change| &change.owner).collect::<BTreeSet<_>>().len()
}

/// A lease that was granted although another was unexpired, and neither released nor used up.
fn overlap(changes: &[Change]) -> Option<String> {
    changes.iter().find_map(|later| {
        let What::Claimed { .. } = later.what else { return None };
        let holder = changes.iter().find(|earlier| {
            let What::Claimed { lease_end } = earlier.what else {
                return false;
            };
            let ended = |change: &Change| {
                !matches!(change.what, What::Claimed { .. })
                    && change.owner == earlier.owner
                    && change.at.begun <= later.at.ended
            };
            earlier.owner != later.owner
                && earlier.at.ended < later.at.begun
                && lease_end > later.at.ended
                && !changes.iter().any(ended)
        })?;
        Some(format!("a lease was granted while {holder:?} held it: {later:?}"))
    })
}

/// A change by an owner whose claim another had taken over before.
fn changed_by_loser(changes: &[Change]) -> Option<String> {
    let is_claim = |change: &&Change| matches!(change.what, What::Claimed { .. });
    changes.iter().filter(|change| !is_claim(change)).find_map(|change| {
        let claims = changes.iter().filter(is_claim);
        let (mine, others): (Vec<_>, Vec<_>) = claims.partition(|claim| claim.owner == change.owner);
        let claimed = mine.iter().map(|claim| claim.at.ended).max()?;
        let taken = others
            .iter()
            .find(|claim| claim.at.begun > claimed && claim.at.ended < change.at.begun)?;
        Some(format!("{taken:?} took it over before {change:?}"))
    })
}

/// A change after a completion, other than the same completion again: by another owner, or the late failure of its own.
fn replaced(changes: &[Change]) -> Option<String> {
    let completed = |change: &&Change| matches!(change.what, What::Completed { .. });
    changes.iter().filter(completed).find_map(|completed| {
        let is_same = |change: &Change| change.owner == completed.owner && change.what == completed.what;
        let mut later = changes.iter().filter(|change| change.at.begun > completed.at.ended);
        let change = later.find(|change| !is_same(change))?;
        Some(format!("{completed:?} was replaced by {change:?}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(begun: u64) -> Interval {
        Interval {
            begun,
            ended: begun + 1,
        }
    }

    fn put(history: &History, owner: &str, status: &str, lease_end: u64, begun: u64) {
        let item = json!({
            "id": { "S": "n#k" }, "owner": { "S": owner }, "status": { "S": status },
            "in_progress_expiration": { "N": lease_end.to_string() },
        });
        history.note(
            "DynamoDB_20120810.PutItem",
            &json!({ "Item": item }),
            &json!({}),
            at(begun),
        );
    }

    fn release(history: &History, owner: &str, begun: u64) {
        let request =
            json!({ "Key": { "id": { "S": "n#k" } }, "ExpressionAttributeValues": { ":owner": { "S": owner } } });
        history.note("DynamoDB_20120810.DeleteItem", &request, &json!({}), at(begun));
    }

    fn promises(history: &History) -> Vec<String> {
        let (broken, _) = history.broken();
        broken
            .iter()
            .filter_map(|why| why.split_once(':').map(|(promise, _)| promise.to_owned()))
            .collect()
    }

    #[test]
    fn a_lease_that_is_over_or_released_may_be_granted_again() {
        let history = History::default();
        put(&history, "a", "INPROGRESS", 100, 10);
        put(&history, "b", "INPROGRESS", 300, 200);
        release(&history, "b", 210);
        put(&history, "c", "INPROGRESS", 400, 220);
        put(&history, "c", "COMPLETED", 0, 230);
        assert_eq!(promises(&history), [""; 0]);
        let leases = history.leases("n#k");
        let completed = leases.iter().map(|lease| (lease.owner.as_str(), lease.is_completed));
        assert!(completed.eq([("a", false), ("b", false), ("c", true)]));
    }

    #[test]
    fn statements_take_effect_unless_they_are_refused() {
        let history = History::default();
        put(&history, "a", "INPROGRESS", 100, 10);
        let insert = "INSERT INTO \"t\" VALUE {'status':'INPROGRESS','id':?,'owner':?,'in_progress_expiration':?}";
        let parameters = json!([{ "S": "n#k" }, { "S": "b" }, { "N": "300" }]);
        let request = json!({ "Statements": [{ "Statement": insert, "Parameters": parameters }] });
        for (reply, expected) in [
            (json!({ "Error": { "Code": "DuplicateItem" } }), vec![]),
            (json!({}), vec!["promise 1"]),
        ] {
            let reply = json!({ "Responses": [reply] });
            history.note("DynamoDB_20120810.BatchExecuteStatement", &request, &reply, at(50));
            assert_eq!(promises(&history), expected);
        }
    }

    #[test]
    fn a_second_lease_beside_an_unexpired_one_breaks_promise_1() {
        let history = History::default();
        put(&history, "a", "INPROGRESS", 100, 10);
        put(&history, "b", "INPROGRESS", 300, 50);
        assert_eq!(promises(&history), ["promise 1"]);
    }

    #[test]
    fn a_change_by_a_holder_that_lost_its_claim_breaks_promise_2() {
        let history = History::default();
        put(&history, "a", "INPROGRESS", 100, 10);
        put(&history, "b", "INPROGRESS", 300, 200);
        release(&history, "a", 210);
        assert_eq!(promises(&history), ["promise 2"]);
    }

    #[test]
    fn a_completion_over_a_completed_record_breaks_promises_2_and_3() {
        let history = History::default();
        put(&history, "a", "INPROGRESS", 100, 10);
        put(&history, "b", "INPROGRESS", 300, 200);
        put(&history, "b", "COMPLETED", 0, 210);
        put(&history, "a", "COMPLETED", 0, 220);
        assert_eq!(promises(&history), ["promise 2", "promises 2 and 3"]);
    }

    #[test]
    fn a_completed_record_that_its_own_attempt_releases_breaks_3() {
        let history = History::default();
        put(&history, "a", "INPROGRESS", 100, 10);
        put(&history, "a", "COMPLETED", 0, 20);
        put(&history, "a", "COMPLETED", 0, 30);
        assert_eq!(promises(&history), [""; 0]);
        release(&history, "a", 40);
        assert_eq!(promises(&history), ["promises 2 and 3"]);
    }

    #[test]
    fn a_second_transaction_with_another_token_breaks_promise_6() {
        let history = History::default();
        let commit = |owner: &str, begun| {
            let item = json!({ "id": { "S": "n#k" }, "owner": { "S": owner }, "status": { "S": "COMPLETED" } });
            let request = json!({ "TransactItems": [{ "Put": { "Item": item } }] });
            history.note("DynamoDB_20120810.TransactWriteItems", &request, &json!({}), at(begun));
        };
        commit("a", 10);
        commit("a", 20);
        assert_eq!(promises(&history), [""; 0]);
        commit("b", 10);
        assert_eq!(promises(&history)[0], "promise 6");
    }
}
