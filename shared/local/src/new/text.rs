//! Texts with names to fill in, and lines that depend on options.

use std::collections::BTreeMap;

use super::NewFunction;
use super::name::Names;

/// What the texts of a function are filled with.
pub(super) struct Text {
    values: BTreeMap<&'static str, String>,
    tags: BTreeMap<&'static str, bool>,
}

impl Text {
    pub(super) fn of(function: &NewFunction, names: &Names) -> Self {
        let write = match &names.table {
            Some(_) => "DynamoDbWrite",
            None => "NoWrites",
        };
        let table = names.table.as_ref();
        let values = BTreeMap::from([
            ("name", names.name.clone()),
            ("crate", names.name.replace('-', "_")),
            ("purpose", names.purpose()),
            ("purpose_lower", names.purpose().to_lowercase()),
            ("queue", names.queue.clone()),
            ("Handler", names.handler.clone()),
            ("Message", names.message.clone()),
            ("Write", write.to_owned()),
            ("URL", format!("{}_URL", name_of_variable(&names.name))),
            ("UrlParameter", names.url_parameter.clone().unwrap_or_default()),
            ("table", table.map(|table| table.name.clone()).unwrap_or_default()),
            ("Table", table.map(|table| table.logical_id.clone()).unwrap_or_default()),
            (
                "TABLE",
                table
                    .map(|table| format!("{}_TABLE", name_of_variable(&table.name)))
                    .unwrap_or_default(),
            ),
        ]);
        Self {
            values,
            tags: function.tags(),
        }
    }

    /// The text without lines whose tags don't hold, and with its names filled in. A line's tags are before it, as in
    /// `[http][!fifo]`.
    pub(super) fn fill(&self, text: &str) -> String {
        self.fill_with(text, &[])
    }

    /// The same with more names.
    pub(super) fn fill_with(&self, text: &str, more: &[(&str, &str)]) -> String {
        let kept = text.split_inclusive('\n').filter_map(|line| self.untagged(line));
        let mut filled: String = kept.collect();
        let values = self.values.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in values.chain(more.iter().copied()) {
            filled = filled.replace(&format!("{{{{{name}}}}}"), value);
        }
        without_double_blank_lines(&filled)
    }

    /// The line without its tags; `None` if one does not hold.
    fn untagged<'a>(&self, line: &'a str) -> Option<&'a str> {
        let Some((tag, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) else {
            return Some(line);
        };
        let (name, wanted) = match tag.strip_prefix('!') {
            Some(name) => (name, false),
            None => (tag, true),
        };
        match self.tags.get(name) {
            // A line that begins with a bracket of its own, such as a section of TOML.
            None => Some(line),
            Some(holds) if *holds == wanted => self.untagged(rest),
            Some(_) => None,
        }
    }
}

fn name_of_variable(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// Where lines between two blank ones were left out.
fn without_double_blank_lines(text: &str) -> String {
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        if line != "\n" || !(kept.ends_with("\n\n") || kept.is_empty()) {
            kept.push_str(line);
        }
    }
    kept
}
