//! Why the work of a message was not done: a text, and a code by which operators group.

use std::fmt::{self, Display};

/// The longest code: it must fit a column of a terminal, and leave a dead letter its room.
const LONGEST_CODE_BYTES: usize = 64;

/// Why the work of a message was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) text: String,
    /// What all failures of one cause have in common, if the handler stated it.
    pub(crate) code: Option<String>,
}

impl Reason {
    /// As a record keeps it: `[card-declined] the card was declined`. A record has one attribute for both.
    pub(crate) fn to_record(&self) -> String {
        match &self.code {
            Some(code) => format!("[{code}] {}", self.text),
            None => self.text.clone(),
        }
    }

    /// What a record states.
    pub(crate) fn of_record(recorded: &str) -> Self {
        let parts = (recorded.strip_prefix('[')).and_then(|rest| rest.split_once("] "));
        match parts.filter(|(stated, _)| code(stated).as_deref() == Some(stated)) {
            Some((code, text)) => Self {
                text: text.to_owned(),
                code: Some(code.to_owned()),
            },
            None => recorded.to_owned().into(),
        }
    }

    /// The code, for a field of a log line.
    pub(crate) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, code: None }
    }
}

/// The text.
impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A code in the form in which it is stored; `None`: the stated one is empty.
pub(crate) fn code(stated: &str) -> Option<String> {
    let is_plain = |character: &char| character.is_ascii_alphanumeric() || "-_.".contains(*character);
    let plain = stated.chars().map(|it| if is_plain(&it) { it } else { '-' });
    let code: String = plain.take(LONGEST_CODE_BYTES).collect();
    Some(code).filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_short_ascii_word() {
        for (stated, stored) in [
            ("card-declined", Some("card-declined")),
            ("Card_declined.2", Some("Card_declined.2")),
            ("card declined: ü\n", Some("card-declined----")),
            ("", None),
        ] {
            assert_eq!(code(stated).as_deref(), stored);
        }
        assert_eq!(code(&"ü".repeat(65)), Some("-".repeat(64)));
    }

    #[test]
    fn a_record_keeps_text_and_code() {
        for (text, stated, recorded) in [
            ("declined", Some("card"), "[card] declined"),
            ("declined", None, "declined"),
            ("[two words] declined", None, "[two words] declined"),
            ("[] declined", None, "[] declined"),
            ("[card", None, "[card"),
            ("[a] b", Some("card"), "[card] [a] b"),
        ] {
            let reason = Reason {
                text: text.to_owned(),
                code: stated.and_then(code),
            };
            assert_eq!(reason.to_record(), recorded);
            assert_eq!(Reason::of_record(recorded), reason);
        }
    }
}
