//! What happens in each part of a run: every fault alone, then all together.

use std::collections::BTreeMap;

use crate::faults::{
    DELETION_LOST, DELIVERED_TWICE, FAILED_IN_OUTAGE, KILLED, KILLED_BEFORE_REPLY, Kind, OUTAGE, REDELIVERED, Rate,
    Rule, SENT_TWICE, STOPPED, TWO_CONTENTS, TWO_CONTENTS_AT_ONCE, Target, counted_as,
};

/// A part of the run.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) table: &'static [Rule],
    pub(crate) queue: &'static [Rule],
    pub(crate) receiver: &'static [Rule],
    /// Whether processes are killed, at random times and between an effect and its reply.
    pub(crate) kills: bool,
    /// Whether processes are stopped past their leases, and go on after them.
    pub(crate) stops: bool,
    /// One of so many messages is sent twice by its producer, and one of so many is delivered to two processes.
    pub(crate) twice: Option<u32>,
    /// Whether what Lambda deletes from the queues stays there at times.
    pub(crate) undeleted: bool,
    /// Whether no request reaches the tables, for some seconds at a time.
    pub(crate) outages: bool,
    /// Whether each notification is sent with a second content under the same key.
    pub(crate) contents: bool,
    /// Its part of the time.
    pub(crate) share: u32,
    /// How long its last messages may take, in seconds: a visibility timeout after a kill, a stop and a lease after a stop.
    pub(crate) settles: u32,
}

use Kind::{Delayed, Late, ReplyCut, ReplyLost, RequestLost, ServerError, Throttled};
use Rate::{Every, OneIn};

/// Nothing goes wrong.
pub(crate) const CALM: Scenario = Scenario {
    name: "no fault",
    table: &[],
    queue: &[],
    receiver: &[],
    kills: false,
    stops: false,
    twice: None,
    undeleted: false,
    outages: false,
    contents: false,
    share: 1,
    settles: 1,
};

const HOSTILE: &[Rule] = &[
    (RequestLost, OneIn(20)),
    (ReplyLost, OneIn(15)),
    (ReplyCut, OneIn(30)),
    (Throttled, OneIn(15)),
    (ServerError, OneIn(30)),
    (Delayed, OneIn(10)),
    (Late, OneIn(60)),
];

const EVERY_SEVENTH: Rule = (ReplyLost, Every(7));
const EVERY_SECOND: Rule = (Throttled, Every(2));

/// In this order.
pub(crate) static SCENARIOS: [Scenario; 19] = [
    CALM,
    Scenario {
        name: "sent twice, and delivered twice to two processes",
        twice: Some(1),
        settles: 4,
        ..CALM
    },
    Scenario {
        name: "one key with two contents, at two processes",
        contents: true,
        settles: 2,
        ..CALM
    },
    both("requests lost", &[(RequestLost, OneIn(5))]),
    both("replies lost", &[(ReplyLost, OneIn(3))]),
    both("replies cut in the middle", &[(ReplyCut, OneIn(5))]),
    both("requests delayed", &[(Delayed, OneIn(2))]),
    both("requests late, after their timeout", &[(Late, OneIn(15))]),
    both("requests throttled", &[(Throttled, OneIn(3))]),
    both("server errors", &[(ServerError, OneIn(4))]),
    both("every 7th reply lost", &[EVERY_SEVENTH]),
    both("every 2nd request throttled", &[EVERY_SECOND]),
    both(
        "every 2nd throttled, every 7th reply lost",
        &[EVERY_SECOND, EVERY_SEVENTH],
    ),
    Scenario {
        name: "the ledger can't be reached",
        outages: true,
        share: 4,
        settles: 4,
        ..CALM
    },
    Scenario {
        name: "receiver fails after its effect",
        receiver: &[(ReplyLost, OneIn(4)), (ServerError, OneIn(6)), (Delayed, OneIn(6))],
        settles: 2,
        ..CALM
    },
    Scenario {
        name: "deletions lost",
        undeleted: true,
        settles: 4,
        ..CALM
    },
    Scenario {
        name: "processes killed",
        kills: true,
        share: 6,
        settles: 4,
        ..CALM
    },
    Scenario {
        name: "processes stopped past their leases",
        stops: true,
        share: 4,
        settles: 7,
        ..CALM
    },
    Scenario {
        name: "all together",
        table: HOSTILE,
        queue: HOSTILE,
        receiver: &[(ReplyLost, OneIn(10)), (ServerError, OneIn(20)), (Delayed, OneIn(10))],
        kills: true,
        stops: true,
        twice: Some(20),
        undeleted: true,
        outages: true,
        contents: false,
        share: 12,
        settles: 8,
    },
];

/// The same faults at the table and at the queues.
const fn both(name: &'static str, rules: &'static [Rule]) -> Scenario {
    Scenario {
        name,
        table: rules,
        queue: rules,
        ..CALM
    }
}

/// The scenarios whose name contains this.
///
/// # Errors
///
/// There is none.
pub(crate) fn named(part: &str) -> Result<Vec<&'static Scenario>, String> {
    let named: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(part))
        .collect();
    if named.is_empty() {
        let names = SCENARIOS.each_ref().map(|scenario| scenario.name).join("\n  ");
        return Err(format!(
            "no scenario has {part:?} in its name; the scenarios are:\n  {names}"
        ));
    }
    Ok(named)
}

impl Scenario {
    /// What has to happen at least once: without it the scenario shows nothing. Where both the table and the queues have
    /// several rules, those of the table suffice: few requests go to the queues.
    fn expected(&self) -> Vec<String> {
        let targets = match self.queue {
            [_] => vec![Target::Table, Target::Queue, Target::Receiver],
            _ => vec![Target::Table, Target::Receiver],
        };
        let rules = |target: Target| {
            self.rules(target)
                .iter()
                .map(move |(kind, _)| counted_as(target, *kind))
        };
        let others = [
            (self.kills, KILLED),
            (self.kills, KILLED_BEFORE_REPLY),
            (self.stops, STOPPED),
            (self.twice.is_some(), SENT_TWICE),
            (self.twice.is_some(), DELIVERED_TWICE),
            (self.undeleted, DELETION_LOST),
            (self.undeleted, REDELIVERED),
            (self.outages, OUTAGE),
            (self.outages, FAILED_IN_OUTAGE),
            (self.contents, TWO_CONTENTS),
            (self.contents, TWO_CONTENTS_AT_ONCE),
        ];
        let others = others.into_iter().filter(|(expected, _)| *expected);
        let others = others.map(|(_, fault)| fault.to_owned());
        targets.into_iter().flat_map(rules).chain(others).collect()
    }

    /// What was expected and did not happen between two counts.
    pub(crate) fn missing(&self, before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Vec<String> {
        let mut expected = self.expected();
        expected.retain(|fault| before.get(fault) == now.get(fault));
        expected
    }

    pub(crate) fn rules(&self, target: Target) -> &'static [Rule] {
        match target {
            Target::Table => self.table,
            Target::Queue => self.queue,
            Target::Receiver => self.receiver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_scenario_has_is_an_error_with_all_names() {
        let error = named("kiled").err().unwrap();
        assert!(
            error.contains("\"kiled\"") && error.contains("processes killed"),
            "{error}"
        );
        assert_eq!(named("killed").unwrap().len(), 1);
        assert_eq!(named("").unwrap().len(), SCENARIOS.len());
    }

    #[test]
    fn a_scenario_without_its_faults_has_them_missing() {
        for scenario in &SCENARIOS[1..] {
            let nothing = BTreeMap::new();
            let all: BTreeMap<_, _> = scenario.expected().into_iter().map(|fault| (fault, 1)).collect();
            assert!(!scenario.missing(&nothing, &nothing).is_empty(), "{}", scenario.name);
            assert!(scenario.missing(&nothing, &all).is_empty(), "{}", scenario.name);
            // Those of an earlier scenario don't count.
            assert_eq!(scenario.missing(&all, &all), scenario.expected(), "{}", scenario.name);
        }
    }
}
