//! What is remembered for tests, but not without end: a stack may run for weeks.

use std::collections::{BTreeMap, VecDeque};

/// More than any test needs, and some ten megabytes.
const CAPACITY: usize = 1 << 15;

/// The newest entries by name.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    entries: BTreeMap<String, V>,
    /// The names in the order in which they came.
    names: VecDeque<String>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            names: VecDeque::new(),
        }
    }
}

impl<V: Default> Recent<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.entries.get(name)
    }

    pub(crate) fn all(&self) -> &BTreeMap<String, V> {
        &self.entries
    }

    /// The entry of a name, which may be a new one. The oldest makes room for it.
    pub(crate) fn entry(&mut self, name: &str) -> &mut V {
        if !self.entries.contains_key(name) {
            self.names.push_back(name.to_owned());
        }
        if self.names.len() > CAPACITY
            && let Some(oldest) = self.names.pop_front()
        {
            self.entries.remove(&oldest);
        }
        self.entries.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_entries_are_kept() {
        let mut counts = Recent::<u32>::default();
        for number in 0..CAPACITY + 10 {
            *counts.entry(&number.to_string()) += 1;
            *counts.entry("0") += 1;
        }
        assert_eq!(counts.all().len(), CAPACITY);
        assert_eq!(counts.get("1"), None);
        assert_eq!(counts.get(&(CAPACITY + 9).to_string()), Some(&1));
    }
}
