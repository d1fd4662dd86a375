//! Dead letters grouped by source queue, function and reason.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use idempotency::Timestamp;

use super::copies::Fingerprint;
use super::dead_letter::DeadLetter;
use super::reason::masked;

/// So many characters of a body are shown: enough to recognise it in one line.
const BODY_CHARACTERS: usize = 80;

/// Dead letters whose reasons differ at most in identifiers.
pub(super) struct Group {
    /// The ARN of the queue that they came from, if they name it.
    pub(super) source: Option<String>,
    pub(super) function: Option<String>,
    /// The reason, its identifiers masked.
    pub(super) masked: String,
    /// Without copies.
    pub(super) count: u64,
    pub(super) oldest: Option<Timestamp>,
    pub(super) newest: Option<Timestamp>,
    pub(super) example: Example,
    /// Whether all have the example's reason.
    uniform: bool,
}

/// A message of a group.
pub(super) struct Example {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) reason: String,
    /// Its beginning, if bodies are shown.
    pub(super) body: Option<String>,
}

impl Group {
    fn of(dead_letter: &DeadLetter, masked: String, body: bool) -> Self {
        let body = body.then(|| dead_letter.body.chars().take(BODY_CHARACTERS).collect());
        Self {
            source: dead_letter.source().map(str::to_owned),
            function: dead_letter.function().map(str::to_owned),
            masked,
            count: 0,
            oldest: dead_letter.sent,
            newest: dead_letter.sent,
            example: Example {
                id: dead_letter.id.clone(),
                key: dead_letter.key().to_owned(),
                reason: dead_letter.reason().to_owned(),
                body,
            },
            uniform: true,
        }
    }

    /// The reason of all; masked if they differ.
    pub(super) fn reason(&self) -> &str {
        match self.uniform {
            true => &self.example.reason,
            false => &self.masked,
        }
    }
}

/// The groups of the messages seen.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// Position in `groups` by source, function and masked reason.
    positions: HashMap<(Option<String>, Option<String>, String), usize>,
    /// Position of the group of each message.
    seen: HashMap<Fingerprint, usize>,
    /// Messages that are copies of another one.
    pub(super) copies: u64,
}

impl Groups {
    /// Counts a message, unless it is a copy. `body`: keep the beginning of one body per group.
    pub(super) fn add(&mut self, dead_letter: &DeadLetter, body: bool) {
        let (position, is_copy) = match self.seen.entry(Fingerprint::of(dead_letter)) {
            Entry::Occupied(copied) => (*copied.get(), true),
            Entry::Vacant(new) => {
                let masked = masked(dead_letter.reason());
                let [source, function] = [dead_letter.source(), dead_letter.function()].map(|it| it.map(str::to_owned));
                let id = (source, function, masked.clone());
                let position = *self.positions.entry(id).or_insert_with(|| {
                    self.groups.push(Group::of(dead_letter, masked, body));
                    self.groups.len() - 1
                });
                (*new.insert(position), false)
            }
        };
        let group = &mut self.groups[position];
        group.oldest = group.oldest.min(dead_letter.sent);
        group.newest = group.newest.max(dead_letter.sent);
        match is_copy {
            true => self.copies += 1,
            false => {
                group.count += 1;
                group.uniform &= group.example.reason == dead_letter.reason();
            }
        }
    }

    /// The largest group first.
    pub(super) fn sorted(&self) -> Vec<&Group> {
        let mut sorted: Vec<_> = self.groups.iter().collect();
        sorted.sort_by_key(|group| {
            (
                std::cmp::Reverse(group.count),
                &group.source,
                &group.function,
                &group.masked,
            )
        });
        sorted
    }
}
