//! What was done to processes, and which repeated effects it explains.

use std::time::{Duration, Instant};

use crate::receiver::Arrival;

/// What happened to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SIGKILL.
    Killed,
    /// SIGSTOP, until SIGCONT.
    Stopped,
    /// SIGTERM: it cancels what lasts longer than the drain.
    Terminated,
    /// Its connections were cut, or refused for a time.
    Cut,
    /// Its database was killed, and started again.
    DatabaseKilled,
}

/// Something that happened to a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) instance: usize,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

/// A cut may hit the request before an effect: its reply comes later, by a second attempt.
const BEFORE: Duration = Duration::from_secs(2);

impl Fault {
    /// Whether it explains that an effect was repeated: the first attempt could not record what it had done.
    ///
    /// A process that was stopped between its claim and its effect has the effect when it goes on: its request was on its way.
    ///
    /// A process that is to end drains. What is answered in this time is recorded, so only an effect without an answer is explained.
    fn explains(&self, first: &Arrival, second: &Arrival) -> bool {
        let is_late = self.kind == Kind::Stopped && self.instance == second.instance;
        if is_late && self.from <= first.at && first.at <= self.until && second.at <= self.until + BEFORE {
            return true;
        }
        let is_between = self.from <= second.at && self.until + BEFORE >= first.at;
        let is_cancelled = self.kind != Kind::Terminated || first.answered.is_none();
        self.instance == first.instance && is_between && is_cancelled
    }
}

/// Effects that arrived more than once: how many were repeated, and the first that no fault explains.
pub(crate) fn repeated(arrivals: &[Arrival], faults: &[Fault]) -> (usize, Option<String>) {
    let (mut repeated, mut unexplained) = (0, None);
    for (index, second) in arrivals.iter().enumerate() {
        let before = arrivals[..index].iter().rfind(|first| first.subject == second.subject);
        let Some(first) = before else { continue };
        repeated += 1;
        if !faults.iter().any(|fault| fault.explains(first, second)) {
            unexplained.get_or_insert_with(|| {
                format!(
                    "{:?} was sent by process {} and {:.1?} later by process {}; nothing happened to the first",
                    second.subject,
                    first.instance,
                    second.at - first.at,
                    second.instance
                )
            });
        }
    }
    (repeated, unexplained)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(instance: usize, at: Instant, answered: bool) -> Arrival {
        Arrival {
            instance,
            subject: "Your order o-1".to_owned(),
            token: "t".to_owned(),
            at,
            answered: answered.then_some(at),
        }
    }

    fn fault(kind: Kind, instance: usize, at: Instant) -> Fault {
        Fault {
            kind,
            instance,
            from: at,
            until: at,
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_repeated_effect_needs_a_fault_of_its_process() {
        let now = Instant::now();
        let arrivals = [arrival(1, now, true), arrival(2, now + 10 * SECOND, true)];
        let of = |faults: &[Fault]| repeated(&arrivals, faults).1.is_none();
        assert!(of(&[fault(Kind::Killed, 1, now + SECOND)]));
        assert!(!of(&[]), "no fault");
        assert!(!of(&[fault(Kind::Killed, 2, now + SECOND)]), "another process");
        assert!(!of(&[fault(Kind::Killed, 1, now + 11 * SECOND)]), "too late");
        assert!(!of(&[fault(Kind::Cut, 1, now - 3 * SECOND)]), "too early");
    }

    #[test]
    fn a_stopped_process_has_its_effect_late_and_not_later() {
        let now = Instant::now();
        let stopped = Fault {
            until: now + 10 * SECOND,
            ..fault(Kind::Stopped, 1, now - SECOND)
        };
        let second = |at| [arrival(2, now, true), arrival(1, at, true)];
        assert_eq!(repeated(&second(now + 11 * SECOND), &[stopped]), (1, None));
        assert!(
            repeated(&second(now + 13 * SECOND), &[stopped]).1.is_some(),
            "it went on before"
        );
    }

    #[test]
    fn a_drain_explains_only_what_it_cancelled() {
        let now = Instant::now();
        let term = [fault(Kind::Terminated, 1, now + SECOND)];
        let cancelled = [arrival(1, now, false), arrival(2, now + 2 * SECOND, true)];
        assert_eq!(repeated(&cancelled, &term), (1, None));
        let recorded = [arrival(1, now, true), arrival(2, now + 2 * SECOND, true)];
        assert!(repeated(&recorded, &term).1.is_some());
    }
}
