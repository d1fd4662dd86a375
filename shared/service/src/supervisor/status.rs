//! What is reported to the service control manager, as a function of what has happened.

use std::time::Duration;

/// How often a state that is not final is reported again.
pub(super) const TICK: Duration = Duration::from_secs(2);

/// How long the manager may wait for the next report of such a state: ten times, so that a busy machine is not taken for a hang.
const WAIT_HINT: Duration = Duration::from_secs(20);

/// A state of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It reads its settings.
    Starting,
    Running,
    /// It finishes what is in process.
    Draining,
    /// It has ended, with this exit code.
    Stopped(u8),
}

/// What has happened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// [`TICK`] is over.
    Tick,
    /// The settings are read, and the process can be stopped.
    Started,
    /// The manager has requested the stop.
    Stop,
    /// The process drains, for this long at most.
    Drain(Duration),
    /// The process is about to end, with this exit code.
    Ended(u8),
}

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) state: State,
    /// Rises with each report of a state that is not final. 0 in others.
    pub(super) checkpoint: u32,
}

impl Report {
    /// Whether the manager may request the stop now: once.
    pub(super) fn accepts_stop(self) -> bool {
        self.state == State::Running
    }

    /// How long the manager may wait for the next report.
    pub(super) fn wait_hint(self) -> Duration {
        match self.state {
            State::Starting | State::Draining => WAIT_HINT,
            State::Running | State::Stopped(_) => Duration::ZERO,
        }
    }
}

/// What was reported last.
#[derive(Debug)]
pub(super) struct Status {
    last: Report,
    /// The checkpoint that a drain reaches only if it hangs.
    longest: Option<u32>,
}

impl Status {
    /// Of a process that begins.
    pub(super) fn starting() -> Self {
        let last = Report {
            state: State::Starting,
            checkpoint: 0,
        };
        Self { last, longest: None }
    }

    /// What is to be reported now, if anything. Nothing follows the end: the process may no longer exist.
    pub(super) fn on(&mut self, event: Event) -> Option<Report> {
        use State::{Draining, Running, Starting, Stopped};
        let Report { state, checkpoint } = self.last;
        if let Event::Drain(longest) = event {
            let ticks = u32::try_from(longest.as_secs() / TICK.as_secs()).unwrap_or(u32::MAX);
            self.longest = Some(checkpoint.saturating_add(ticks).saturating_add(1));
        }
        let next = match (state, event) {
            (Stopped(_), _)
            | (Running, Event::Tick | Event::Started)
            | (Draining, Event::Started | Event::Stop | Event::Drain(_)) => {
                return None;
            }
            (_, Event::Ended(code)) => Stopped(code),
            (_, Event::Stop | Event::Drain(_)) => Draining,
            (Starting, Event::Started) => Running,
            (Starting | Draining, Event::Tick) => state,
        };
        self.last = Report {
            state: next,
            checkpoint: match next {
                Starting | Draining if next == state => checkpoint.saturating_add(1),
                Draining => 1,
                Starting | Running | Stopped(_) => 0,
            },
        };
        Some(self.last)
    }

    /// Whether the drain has taken longer than it may: it hangs.
    pub(super) fn is_overdue(&self) -> bool {
        self.last.state == State::Draining && self.longest.is_some_and(|longest| self.last.checkpoint > longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reports after these events.
    fn reports(events: &[Event]) -> Vec<(State, u32)> {
        let mut status = Status::starting();
        let reports = events.iter().filter_map(|event| status.on(*event));
        reports.map(|report| (report.state, report.checkpoint)).collect()
    }

    #[test]
    fn checkpoints_rise_while_the_process_starts_and_drains() {
        use Event::{Ended, Started, Stop, Tick};
        assert_eq!(
            reports(&[Tick, Tick, Started, Tick, Started, Stop, Tick, Tick, Ended(0)]),
            [
                (State::Starting, 1),
                (State::Starting, 2),
                (State::Running, 0),
                (State::Draining, 1),
                (State::Draining, 2),
                (State::Draining, 3),
                (State::Stopped(0), 0),
            ]
        );
    }

    #[test]
    fn process_that_can_not_start_stops_with_its_code() {
        let expected = [(State::Starting, 1), (State::Stopped(1), 0)];
        assert_eq!(reports(&[Event::Tick, Event::Ended(1)]), expected);
    }

    #[test]
    fn stop_is_reported_once_and_not_undone() {
        use Event::{Started, Stop};
        assert_eq!(reports(&[Stop, Stop, Started]), [(State::Draining, 1)]);
        assert_eq!(reports(&[Started, Stop, Stop, Started]).len(), 2);
    }

    #[test]
    fn nothing_follows_the_end() {
        use Event::{Ended, Started, Stop, Tick};
        assert_eq!(
            reports(&[Ended(0), Tick, Started, Stop, Ended(1)]),
            [(State::Stopped(0), 0)]
        );
    }

    #[test]
    fn drain_is_overdue_after_its_longest_time() {
        let mut status = Status::starting();
        status.on(Event::Started);
        status.on(Event::Stop);
        let shown = (0..1000).filter(|_| status.on(Event::Tick).is_some()).count();
        assert_eq!(shown, 1000);
        assert!(!status.is_overdue(), "its time is not known yet");
        assert!(status.on(Event::Drain(Duration::from_secs(60))).is_none());
        let ticks = (0..1000).take_while(|_| status.on(Event::Tick).is_some() && !status.is_overdue());
        let ticks = u32::try_from(ticks.count()).unwrap();
        assert!((60..=64).contains(&(TICK * ticks).as_secs()), "{ticks}");
        status.on(Event::Ended(0));
        assert!(!status.is_overdue());
    }

    #[test]
    fn stop_is_accepted_while_running_and_hints_outlast_ticks() {
        let mut status = Status::starting();
        let mut reported = |event| {
            status
                .on(event)
                .map(|report| (report.accepts_stop(), report.wait_hint() > 5 * TICK))
        };
        assert_eq!(reported(Event::Tick), Some((false, true)));
        assert_eq!(reported(Event::Started), Some((true, false)));
        assert_eq!(reported(Event::Stop), Some((false, true)));
        assert_eq!(reported(Event::Ended(0)), Some((false, false)));
    }
}
