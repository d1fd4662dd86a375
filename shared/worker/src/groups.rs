//! Which messages of a message group wait for the one in process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The groups in process, each with the messages that wait, in order.
pub(crate) struct Groups<T>(Mutex<HashMap<String, VecDeque<T>>>);

impl<T> Groups<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The message, if its group is not in process: it is from now on. Otherwise the message waits.
    pub(crate) fn enter(&self, group: &str, message: T) -> Option<T> {
        let mut groups = self.groups();
        match groups.get_mut(group) {
            Some(waiting) => {
                waiting.push_back(message);
                None
            }
            None => {
                groups.insert(group.to_owned(), VecDeque::new());
                Some(message)
            }
        }
    }

    /// The next message of a group. If none waits, the group is no longer in process.
    pub(crate) fn next(&self, group: &str) -> Option<T> {
        let mut groups = self.groups();
        let next = groups.get_mut(group).and_then(VecDeque::pop_front);
        if next.is_none() {
            groups.remove(group);
        }
        next
    }

    /// All messages of a group that wait. It stays in process.
    pub(crate) fn take_waiting(&self, group: &str) -> VecDeque<T> {
        self.groups().get_mut(group).map(std::mem::take).unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.groups().is_empty()
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<String, VecDeque<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_of_a_group_is_in_process() {
        let groups = Groups::new();
        assert_eq!(groups.enter("a", 1), Some(1));
        assert_eq!(groups.enter("b", 2), Some(2));
        assert_eq!(groups.enter("a", 3), None);
        assert_eq!(groups.enter("a", 4), None);
        assert_eq!(groups.next("a"), Some(3));
        assert_eq!(groups.take_waiting("a"), [4]);
        assert_eq!(groups.enter("a", 5), None, "it is still in process");
        assert_eq!(groups.next("a"), Some(5));
        assert_eq!(groups.next("a"), None);
        assert_eq!(groups.enter("a", 6), Some(6));
    }
}
