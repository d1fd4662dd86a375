//! Memory of the stack and of its functions' processes, and how much of its growth is what the stack keeps by design.

use std::fmt;
use std::fs;
use std::time::Duration;

use crate::Failed;

/// Of each function's process; an allocator keeps what a busy moment needed.
const FUNCTION_GROWTH_KILOBYTES: u64 = 16 * 1024;

/// What the allocator and SQLite's cache may keep in the second half, although nothing refers to it any more.
const SLACK_KILOBYTES: u64 = 16 * 1024;

/// DynamoDB knows the request token of a transaction for this long.
const TOKENS: Duration = Duration::from_secs(10 * 60);
/// The token twice, its answer, and what a table that doubles has spare.
const BYTES_PER_TOKEN: u64 = 384;

/// The stack remembers how often it delivered each of so many messages.
const DELIVERIES: u64 = 1 << 15;
/// The message ID twice, and the inner nodes of a tree.
const BYTES_PER_DELIVERY: u64 = 256;

/// The message and its original attributes.
const BYTES_PER_DEAD_LETTER: u64 = 3 * 1024;

/// Resident memory, in kilobytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    stack: u64,
    functions: Vec<u64>,
}

/// What the stack keeps of processed messages, by design.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Transactions of the last ten minutes.
    pub(crate) tokens: u64,
    pub(crate) deliveries: u64,
    pub(crate) dead_letters: u64,
}

/// Memory after some messages.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) memory: Memory,
    pub(crate) kept: Kept,
}

impl Memory {
    /// Of the process with this ID, the stack's, and of its children.
    pub(crate) fn of(stack: u32) -> Result<Self, Failed> {
        let mut memory = Self::default();
        for process in fs::read_dir("/proc")? {
            // A process may end while this reads.
            let status = fs::read_to_string(process?.path().join("status")).unwrap_or_default();
            let number = |name: &str| status.lines().find_map(|line| number(line.strip_prefix(name)?));
            let resident = number("VmRSS:").unwrap_or_default();
            match (number("Pid:"), number("PPid:")) {
                (Some(id), _) if id == u64::from(stack) => memory.stack = resident,
                (_, Some(parent)) if parent == u64::from(stack) => memory.functions.push(resident),
                _ => {}
            }
        }
        Ok(memory)
    }
}

fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, most) = (self.functions.len(), self.functions.iter().max());
        let most = most.copied().unwrap_or_default();
        write!(
            f,
            "stack {} KB, {count} functions' processes at most {most} KB",
            self.stack
        )
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tokens,
            deliveries,
            dead_letters,
        } = self;
        write!(
            f,
            "{tokens} transactions of ten minutes, {deliveries} delivery counts, {dead_letters} dead letters"
        )
    }
}

impl Kept {
    /// After messages that were sent at these times since the beginning: each an order, and a confirmation.
    pub(crate) fn of(sent: &[Duration], dead_letters: u64) -> Self {
        let now = sent.last().copied().unwrap_or_default();
        let recent = sent.iter().filter(|at| **at + TOKENS >= now).count();
        let messages = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            tokens: messages(recent),
            deliveries: DELIVERIES.min(2 * messages(sent.len())),
            dead_letters,
        }
    }

    fn bytes_since(self, before: Self) -> u64 {
        self.tokens.saturating_sub(before.tokens) * BYTES_PER_TOKEN
            + self.deliveries.saturating_sub(before.deliveries) * BYTES_PER_DELIVERY
            + self.dead_letters.saturating_sub(before.dead_letters) * BYTES_PER_DEAD_LETTER
    }
}

impl Sample {
    /// How much the stack has grown since `before`, and how much it may have, in kilobytes.
    pub(crate) fn growth(&self, before: &Self) -> (u64, u64) {
        let grown = self.memory.stack.saturating_sub(before.memory.stack);
        (grown, self.kept.bytes_since(before.kept) / 1024 + SLACK_KILOBYTES)
    }

    pub(crate) fn is_flat(&self, before: &Self) -> bool {
        let largest = |sample: &Self| sample.memory.functions.iter().copied().max().unwrap_or_default();
        let (grown, most) = self.growth(before);
        grown <= most && largest(self) <= largest(before) + FUNCTION_GROWTH_KILOBYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(stack: u64, function: u64, kept: Kept) -> Sample {
        Sample {
            memory: Memory {
                stack,
                functions: vec![function],
            },
            kept,
        }
    }

    #[test]
    fn only_what_is_kept_by_design_may_grow() {
        let kept = |tokens| Kept {
            tokens,
            ..Kept::default()
        };
        let (before, more) = (sample(40_000, 10_000, kept(0)), kept(8 * 1024));
        let most = SLACK_KILOBYTES + 8 * BYTES_PER_TOKEN;
        assert_eq!(sample(50_000, 0, more).growth(&before), (10_000, most));
        assert!(sample(40_000 + most, 10_000, more).is_flat(&before));
        assert!(!sample(40_001 + most, 10_000, more).is_flat(&before));
        assert!(!sample(40_000 + most, 10_000, kept(0)).is_flat(&before));
        let function = 10_001 + FUNCTION_GROWTH_KILOBYTES;
        assert!(!sample(40_000, function, more).is_flat(&before));
    }

    #[test]
    fn transactions_of_ten_minutes_and_the_newest_messages_are_kept() {
        let each_second: Vec<_> = (0..100_000).map(Duration::from_secs).collect();
        let kept = |messages: usize| Kept::of(&each_second[..messages], 7);
        let of = |tokens, deliveries| Kept {
            tokens,
            deliveries,
            dead_letters: 7,
        };
        assert_eq!(kept(0), of(0, 0));
        assert_eq!(kept(100), of(100, 200));
        assert_eq!(kept(100_000), of(601, DELIVERIES));
    }
}
