//! Going through a dead-letter queue, and sending back what is chosen.

use std::collections::HashSet;

use cli::{StopFlag, printable, say};
use indicatif::ProgressBar;
use tokio::time::Interval;

use super::chosen::Chosen;
use super::letter::DeadLetter;
use super::reading::Reading;
use super::send::{Cleared, Trouble, Way};
use super::sent::Sent;
use super::sum::{Extent, Sum};

/// Going through the queue.
pub(super) struct Course<'a> {
    way: Way<'a>,
    chosen: &'a Chosen,
    dry_run: bool,
    pace: Option<Interval>,
    /// On a terminal; elsewhere it is hidden, and a line is printed for each message.
    bar: ProgressBar,
    /// Message groups of a FIFO queue of which one is left: those behind it must not overtake it.
    stuck: HashSet<String>,
    sent: Sent,
    sum: Sum,
}

impl<'a> Course<'a> {
    /// Through about so many messages, each at a tick of the `pace`.
    pub(super) fn new(way: Way<'a>, chosen: &'a Chosen, dry_run: bool, pace: Option<Interval>, there: u64) -> Self {
        Self {
            way,
            chosen,
            dry_run,
            pace,
            bar: ProgressBar::new(there.min(chosen.limit())),
            stuck: HashSet::new(),
            sent: Sent::default(),
            sum: Sum::default(),
        }
    }

    /// Until all are seen, enough are tried, or somebody says stop.
    pub(super) async fn all(&mut self, reading: &mut Reading<'_>, stop: &StopFlag) -> Result<(), String> {
        let limit = self.chosen.limit();
        while stop.requested().is_none() && self.sum.tried() < limit {
            let letters = reading.next().await?;
            if letters.is_empty() {
                break;
            }
            for letter in &letters {
                let chosen = self.chosen.has(letter);
                self.sum.met.add(letter, chosen);
                if !chosen {
                    continue;
                }
                if self.sent.has(letter) {
                    self.came_back(letter);
                    continue;
                }
                if let Some(pace) = &mut self.pace {
                    pace.tick().await;
                }
                if stop.requested().is_some() || self.sum.tried() >= limit {
                    break;
                }
                if self.one(letter).await && !self.dry_run {
                    reading.gone(letter);
                }
            }
        }
        Ok(())
    }

    /// Whether it has gone its way.
    async fn one(&mut self, letter: &DeadLetter) -> bool {
        let group = self.group(letter);
        let done = match group {
            Some(group) if self.stuck.contains(&group) => Err(Trouble {
                why: "one before it in its message group is left".to_owned(),
                cleared: None,
            }),
            _ if self.dry_run => self.way.try_out(letter, &mut self.sent).await,
            _ => self.way.send_back(letter, &mut self.sent).await,
        };
        self.tell(letter, &done);
        self.sum.add(letter, &done);
        if done.is_err() {
            self.stuck.extend(self.group(letter));
        }
        done.is_ok()
    }

    /// What this run has sent already is left, whatever has become of it.
    fn came_back(&mut self, letter: &DeadLetter) {
        self.sum.came_back += 1;
        self.stuck.extend(self.group(letter));
        let key = printable(letter.key());
        self.print(
            &format!("left {} (key {key}): redriven once in this run", letter.id),
            true,
        );
    }

    /// The group whose order is to be kept.
    fn group(&self, letter: &DeadLetter) -> Option<String> {
        letter.group.clone().filter(|_| self.way.from.is_fifo())
    }

    /// Says what it came to. Whether that is what was asked for: nothing that was chosen is left, nor may be where it could
    /// not be seen.
    pub(super) fn end(&self, extent: &Extent) -> bool {
        self.bar.finish_and_clear();
        self.sum.say(&self.way, extent, self.chosen, self.dry_run);
        let all = !self.way.from.is_fifo() || !self.chosen.picks() || self.sum.tried() >= self.chosen.limit();
        self.sum.is_sound(extent, self.chosen) && (all || self.sum.unseen(extent) == 0)
    }

    fn tell(&self, letter: &DeadLetter, done: &Result<Cleared, Trouble>) {
        let would = if self.dry_run { "would be " } else { "" };
        let (id, key) = (&letter.id, printable(letter.key()));
        let line = match done {
            Ok(Cleared::Yes) => format!("{would}redriven {id} (key {key}), its REJECTED record cleared"),
            Ok(Cleared::Unknown) => format!("{would}redriven {id} (key {key}), its record not looked for"),
            Ok(Cleared::NotNeeded | Cleared::NoRecord) => format!("{would}redriven {id} (key {key})"),
            Err(trouble) => format!("left {id} (key {key}): {}", trouble.why),
        };
        self.bar.inc(1);
        self.print(&line, done.is_err() || self.dry_run);
    }

    /// What went well is seen by the bar, if there is one.
    fn print(&self, line: &str, even_beside_the_bar: bool) {
        match self.bar.is_hidden() {
            true => say!("{line}"),
            false if even_beside_the_bar => self.bar.println(line),
            false => {}
        }
    }
}
