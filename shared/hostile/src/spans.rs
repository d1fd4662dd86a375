//! Where the values of a text are that is JSON, or nearly so.

use std::ops::Range;

/// The values and members of a text, by position. Inside of strings, nothing is found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) values: Vec<Range<usize>>,
    /// `"name": value`.
    pub(crate) members: Vec<Range<usize>>,
}

/// Reads what looks like JSON, in time linear in its length. Nothing is an error: the text may have been mutated before.
pub(crate) fn spans(text: &[u8]) -> Spans {
    let mut found = Spans::default();
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let mut name = None;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let end = match byte {
            b'{' | b'[' => {
                open.push((at, name.take()));
                at += 1;
                continue;
            }
            b'}' | b']' => {
                at += 1;
                if let Some((start, name)) = open.pop() {
                    found.add(start..at, name);
                }
                continue;
            }
            b'"' => string_end(text, at),
            _ if is_plain(byte) => at + text[at..].iter().take_while(|byte| is_plain(byte)).count(),
            _ => {
                at += 1;
                continue;
            }
        };
        let blanks = text[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match text.get(end + blanks) {
            Some(b':') if *byte == b'"' => name = Some(at),
            _ => found.add(at..end, name.take()),
        }
        at = end;
    }
    found
}

impl Spans {
    fn add(&mut self, value: Range<usize>, name: Option<usize>) {
        self.members.extend(name.map(|start| start..value.end));
        self.values.push(value);
    }
}

/// A character of numbers, `true`, `false` and `null`.
fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(byte)
}

fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> (Vec<&str>, Vec<&str>) {
        let Spans { values, members } = spans(json.as_bytes());
        let text = |ranges: Vec<Range<usize>>| ranges.into_iter().map(|range| &json[range]).collect();
        (text(values), text(members))
    }

    #[test]
    fn values_and_members_are_found() {
        let (values, members) = texts(r#"{"a" : [1, "x\"}"], "b": {"c": null}}"#);
        let all = [
            "1",
            r#""x\"}""#,
            r#"[1, "x\"}"]"#,
            "null",
            r#"{"c": null}"#,
            r#"{"a" : [1, "x\"}"], "b": {"c": null}}"#,
        ];
        assert_eq!(values, all);
        assert_eq!(members, [r#""a" : [1, "x\"}"]"#, r#""c": null"#, r#""b": {"c": null}"#]);
    }

    #[test]
    fn malformed_texts_have_spans_too() {
        assert_eq!(texts(r#"]} "open \"#).0, [r#""open \"#]);
        assert_eq!(texts("").0, [""; 0]);
    }
}
