//! Dead letters grouped by source queue, function and reason.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use idempotency::Timestamp;

use super::copies::Fingerprint;
use super::dead_letter::DeadLetter;
use super::reason::masked;

/// So many characters of a body are shown: enough to recognise it in one line.
const BODY_CHARACTERS: usize = 80;

/// Dead letters whose failures have one code, or whose reasons differ at most in identifiers; or one dead letter.
pub(super) struct Group {
    /// The ARN of the queue that they came from, if they name it.
    pub(super) source: Option<String>,
    pub(super) function: Option<String>,
    /// What its handler stated to group by.
    pub(super) code: Option<String>,
    /// The reason, its identifiers masked: the example's, if there is a code.
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
    /// What its record states, if that was read.
    pub(super) record: Option<String>,
    /// Its beginning, if bodies are shown.
    pub(super) body: Option<String>,
}

impl Group {
    fn of(dead_letter: &DeadLetter, record: Option<String>, body: bool) -> Self {
        let body = body.then(|| dead_letter.body.chars().take(BODY_CHARACTERS).collect());
        Self {
            source: dead_letter.source().map(str::to_owned),
            function: dead_letter.function().map(str::to_owned),
            code: dead_letter.code().map(str::to_owned),
            masked: masked(dead_letter.reason()),
            count: 0,
            oldest: dead_letter.sent,
            newest: dead_letter.sent,
            example: Example {
                id: dead_letter.id.clone(),
                key: dead_letter.key().to_owned(),
                reason: dead_letter.reason().to_owned(),
                record,
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

/// What the messages of a group have in common.
#[derive(PartialEq, Eq, Hash)]
struct Common {
    source: Option<String>,
    function: Option<String>,
    /// The code, or else the masked reason.
    cause: Result<String, String>,
    /// What their records state, masked.
    record: Option<String>,
    /// Their ID, if each message is a group.
    id: Option<String>,
}

/// The groups of the messages seen.
#[derive(Default)]
pub(super) struct Groups {
    /// Whether each message is a group.
    each: bool,
    groups: Vec<Group>,
    /// Position in `groups`.
    positions: HashMap<Common, usize>,
    /// Position of the group of each message.
    seen: HashMap<Fingerprint, usize>,
    /// Messages that are copies of another one.
    pub(super) copies: u64,
    /// Whether a message was seen that SQS moved, so that none states why it failed.
    pub(super) lack_reasons: bool,
}

impl Groups {
    /// `each`: a group for each message.
    pub(super) fn new(each: bool) -> Self {
        Self {
            each,
            ..Self::default()
        }
    }

    /// Counts a message, unless it is a copy. `record`: what its record states. `body`: keep the beginning of one body per
    /// group.
    pub(super) fn add(&mut self, dead_letter: &DeadLetter, record: Option<String>, body: bool) {
        let (position, is_copy) = match self.seen.entry(Fingerprint::of(dead_letter)) {
            Entry::Occupied(copied) => (*copied.get(), true),
            Entry::Vacant(new) => {
                let common = Common {
                    source: dead_letter.source().map(str::to_owned),
                    function: dead_letter.function().map(str::to_owned),
                    cause: (dead_letter.code().map(str::to_owned)).ok_or_else(|| masked(dead_letter.reason())),
                    record: record.as_deref().map(masked),
                    id: self.each.then(|| dead_letter.id.clone()),
                };
                let position = *self.positions.entry(common).or_insert_with(|| {
                    self.groups.push(Group::of(dead_letter, record, body));
                    self.groups.len() - 1
                });
                (*new.insert(position), false)
            }
        };
        self.lack_reasons |= dead_letter.lacks_reason();
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
                &group.code,
                &group.masked,
                &group.example.record,
            )
        });
        sorted
    }
}
