//! Why deliveries failed: what explains an external effect that is repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use emulator::lambda::Event;
use serde_json::Value;

use crate::history::{Lease, millis};
use crate::scenario::Scenario;

/// Why a delivery of a message failed after its lease was granted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Killed,
    /// Past its lease.
    Stopped,
    TimedOut,
    /// The receiver accepted the notification, or may have, and its answer was lost.
    ReceiverFailed,
    /// The ledger gave no good answer until the deadline.
    LedgerFailed,
    /// The receiver refused the notification: no effect.
    Refused,
    /// The function failed long before its deadline, for a reason that is not the receiver's. A bug.
    GaveUp(String),
    /// Anything else that ended a process. A bug, too.
    Other(String),
}

/// From the end of a lease back to the time when a failure can be one of the deadline: the margin between clocks, and 1.2 of
/// an invocation's 2 seconds.
const BEFORE_LEASE_END: u64 = 1000 + 1200;

impl Cause {
    /// Whether it can happen in a scenario, and after an effect. A slow machine lets time run out in each scenario.
    pub(crate) fn is_possible(&self, scenario: &Scenario) -> bool {
        match self {
            Self::Killed => scenario.kills,
            Self::Stopped => scenario.stops,
            Self::TimedOut => true,
            Self::ReceiverFailed => !scenario.receiver.is_empty(),
            Self::LedgerFailed => !scenario.table.is_empty() || scenario.outages,
            Self::Refused | Self::GaveUp(_) | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Stopped => f.write_str("stopped past its lease"),
            Self::TimedOut => f.write_str("timed out"),
            Self::ReceiverFailed => f.write_str("the receiver failed after its effect"),
            Self::LedgerFailed => f.write_str("the ledger failed until the deadline"),
            Self::Refused => f.write_str("the receiver refused it"),
            Self::GaveUp(why) => write!(f, "gave up before its deadline: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// Why deliveries failed, by IDs: no time at which an event is read matters.
#[derive(Default)]
pub(crate) struct Causes {
    running: BTreeSet<String>,
    /// The process of each invocation.
    invocations: BTreeMap<String, String>,
    /// What a function states of a failed lease, by the lease's owner.
    stated: BTreeMap<String, Stated>,
    /// By message ID, the invocations that failed as a whole.
    failed: BTreeMap<String, Vec<(String, String)>>,
    succeeded: BTreeSet<String>,
    /// How many messages were delivered again after a success.
    pub(crate) redelivered: u64,
}

/// A failure as its function states it.
struct Stated {
    message: String,
    invocation: String,
    process: String,
    why: String,
    /// In milliseconds since 1970, by the function's clock.
    at: u64,
}

impl Causes {
    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::ProcessStarted { process, .. } => _ = self.running.insert(process),
            Event::ProcessEnded { process, .. } => _ = self.running.remove(&process),
            Event::InvocationStarted {
                process, request_id, ..
            } => _ = self.invocations.insert(request_id, process),
            Event::BatchFinished {
                messages,
                failed,
                whole_batch,
                ..
            } => self.finished(messages, &failed, whole_batch.as_deref()),
            Event::Log { process, line, .. } => self.stated(process, &line),
            _ => {}
        }
    }

    /// Whether all processes have ended, and all that they wrote is noted.
    pub(crate) fn is_complete(&self) -> bool {
        self.running.is_empty()
    }

    /// Why the leases of a record failed, in their order. `messages`: those with its key. A lease is explained by what its
    /// function states, or by an invocation that failed without a statement about it.
    pub(crate) fn of(&self, leases: &[Lease], messages: &[String], stopped: &[String]) -> Vec<Cause> {
        let stated = |lease: &Lease| self.stated.get(&lease.owner);
        let reported = |message: &String, invocation: &String| {
            let mut stated = leases.iter().filter_map(stated);
            stated.any(|stated| stated.message == *message && stated.invocation == *invocation)
        };
        let failed = |message| {
            let failed = self.failed.get(message).into_iter().flatten();
            failed.filter(move |(invocation, _)| !reported(message, invocation))
        };
        let mut silent = messages.iter().flat_map(failed);
        let cause = |lease: &Lease| match stated(lease) {
            Some(stated) if stopped.contains(&stated.process) => Some(Cause::Stopped),
            Some(stated) => Some(of_message(&stated.why, stated.at, lease.end)),
            None => silent.next().map(|(invocation, reason)| {
                let process = self.invocations.get(invocation);
                let is_stopped = process.is_some_and(|process| stopped.contains(process));
                if is_stopped { Cause::Stopped } else { of_batch(reason) }
            }),
        };
        leases
            .iter()
            .filter(|lease| !lease.is_completed)
            .filter_map(cause)
            .collect()
    }

    fn finished(&mut self, messages: Vec<String>, failed: &[String], whole_batch: Option<&str>) {
        for message in messages {
            if let Some(reason) = whole_batch {
                let (_, rest) = reason.split_once("RequestId: ").unwrap_or_default();
                let invocation = rest.split(' ').next().unwrap_or_default().to_owned();
                let invocations = self.failed.entry(message).or_default();
                invocations.push((invocation, reason.to_owned()));
            } else if self.succeeded.contains(&message) {
                self.redelivered += 1;
            } else if !failed.contains(&message) {
                self.succeeded.insert(message);
            }
        }
    }

    /// Notes a failure that a function logs about a lease. Without an owner there was no lease, and no effect.
    fn stated(&mut self, process: String, line: &str) {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let text = |field: &str| line[field].as_str().unwrap_or_default();
        let at = humantime::parse_rfc3339(text("timestamp"));
        let (Some(why), Some(owner), Ok(at)) = (text("message").strip_prefix("failed: "), line["owner"].as_str(), at)
        else {
            return;
        };
        let stated = Stated {
            message: text("messageId").to_owned(),
            invocation: text("requestId").to_owned(),
            process,
            why: why.to_owned(),
            at: millis(at),
        };
        self.stated.insert(owner.to_owned(), stated);
    }
}

fn of_batch(reason: &str) -> Cause {
    match reason {
        _ if reason.contains("signal: killed") => Cause::Killed,
        _ if reason.contains("Task timed out") => Cause::TimedOut,
        _ => Cause::Other(reason.to_owned()),
    }
}

/// `at` and `lease_end` are of the function's clock.
fn of_message(why: &str, at: u64, lease_end: u64) -> Cause {
    let of_ledger = [
        "the ledger did not answer",
        "the ledger is throttled",
        "transaction conflict",
    ];
    let of_receiver = [
        " did not answer within ",
        " sent no complete answer",
        " can't be reached",
    ];
    match why {
        _ if why.contains(" answered ") => Cause::Refused,
        _ if of_receiver.iter().any(|part| why.contains(part)) => Cause::ReceiverFailed,
        _ if at + BEFORE_LEASE_END < lease_end => Cause::GaveUp(why.to_owned()),
        _ if of_ledger.iter().any(|beginning| why.starts_with(beginning)) => Cause::LedgerFailed,
        _ => Cause::TimedOut,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LEASE_END: u64 = 1_700_000_003_000;

    #[test]
    fn only_a_ledger_that_fails_until_the_deadline_explains() {
        let why = "the ledger did not answer: dispatch failure";
        assert_eq!(of_message(why, LEASE_END - 1200, LEASE_END), Cause::LedgerFailed);
        let early = of_message(why, LEASE_END - 2900, LEASE_END);
        assert_eq!(early, Cause::GaveUp(why.to_owned()));
    }

    #[test]
    fn a_handler_cancelled_before_its_deadline_gave_up() {
        let why = "the handler was cancelled at the deadline";
        assert_eq!(of_message(why, LEASE_END - 1500, LEASE_END), Cause::TimedOut);
        let early = of_message(why, LEASE_END - 2900, LEASE_END);
        assert_eq!(early, Cause::GaveUp(why.to_owned()));
    }

    fn lease(owner: &str, is_completed: bool) -> Lease {
        Lease {
            owner: owner.to_owned(),
            granted: 0,
            end: LEASE_END,
            is_completed,
        }
    }

    fn log(causes: &mut Causes, owner: Option<&str>, invocation: &str) {
        let line = json!({
            "timestamp": "2023-11-14T22:13:21.000Z", "message": "failed: 127.0.0.1:9 sent no complete answer",
            "messageId": "m", "requestId": invocation, "owner": owner,
        });
        causes.note(Event::Log {
            function: "send-notification".to_owned(),
            process: format!("process of {invocation}"),
            line: line.to_string(),
        });
    }

    fn kill(causes: &mut Causes, invocation: &str) {
        let reason =
            format!("Runtime.ExitError: RequestId: {invocation} Error: Runtime exited with error: signal: killed");
        causes.finished(vec!["m".to_owned()], &["m".to_owned()], Some(&reason));
    }

    #[test]
    fn a_failure_explains_the_lease_of_its_owner_only() {
        let mut causes = Causes::default();
        log(&mut causes, Some("a"), "1");
        log(&mut causes, None, "2");
        let leases = [lease("a", false), lease("b", false), lease("c", true)];
        let of = causes.of(&leases, &["m".to_owned()], &[]);
        assert_eq!(of, [Cause::ReceiverFailed]);
        let stopped = ["process of 1".to_owned()];
        assert_eq!(causes.of(&leases, &["m".to_owned()], &stopped), [Cause::Stopped]);
    }

    #[test]
    fn a_killed_invocation_explains_one_lease_that_nothing_states() {
        let mut causes = Causes::default();
        kill(&mut causes, "1");
        let leases = [lease("a", false), lease("b", false), lease("c", true)];
        assert_eq!(causes.of(&leases, &["m".to_owned()], &[]), [Cause::Killed]);
        log(&mut causes, Some("a"), "1");
        assert_eq!(causes.of(&leases, &["m".to_owned()], &[]), [Cause::ReceiverFailed]);
    }

    #[test]
    fn the_end_of_a_process_is_read_from_the_reason_of_its_batch() {
        let killed = "Runtime.ExitError: RequestId: 7 Error: Runtime exited with error: signal: killed";
        assert_eq!(of_batch(killed), Cause::Killed);
        assert_eq!(
            of_batch("Sandbox.Timedout: RequestId: 7 Error: Task timed out after 2.00 seconds"),
            Cause::TimedOut
        );
    }
}
