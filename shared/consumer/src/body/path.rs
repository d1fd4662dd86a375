//! Where in a JSON body a value is that was refused, such as `items[1].price`.

use std::ops::Range;

/// The path of the value that ends at a position, or begins after it. `is_field` decides which names are shown: the others are
/// content of the body, such as the keys of a map. Empty for the whole body.
///
/// `line` and `column` are those of an error of serde_json: columns count bytes, from 1.
pub(super) fn path(body: &str, line: usize, column: usize, is_field: impl Fn(Range<usize>) -> bool) -> String {
    let mut path = String::new();
    let steps = steps(&body.as_bytes()[..offset(body, line, column)]);
    let is_cut = steps.len() > MOST_STEPS;
    for step in steps.into_iter().take(MOST_STEPS) {
        match step {
            Step::Item(index) => path.push_str(&format!("[{index}]")),
            Step::Name(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(if is_field(name.clone()) { &body[name] } else { "*" });
            }
        }
    }
    if is_cut {
        path.push_str("...");
    }
    path
}

/// `is_field` decodes the body once for each name.
const MOST_STEPS: usize = 8;

/// How many bytes of the body were read.
fn offset(body: &str, line: usize, column: usize) -> usize {
    let lines = body.split_inclusive('\n').take(line.saturating_sub(1));
    (lines.map(str::len).sum::<usize>() + column).min(body.len())
}

enum Step {
    /// The value of a name: where it is, without quotation marks.
    Name(Range<usize>),
    Item(usize),
}

/// An object or a list that is not closed yet.
enum Open {
    Object {
        name: Option<Range<usize>>,
        /// The colon after the name was read.
        has_value: bool,
    },
    List {
        index: usize,
    },
}

/// The steps to the value at the end of this text, which is valid JSON as far as it goes.
fn steps(text: &[u8]) -> Vec<Step> {
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, open.last_mut()) {
            (b'"', last) => {
                let end = string_end(text, at);
                if let Some(Open::Object { name, has_value: false }) = last {
                    *name = Some(at + 1..end);
                }
                at = end;
            }
            (b':', Some(Open::Object { has_value, .. })) => *has_value = true,
            (b',', Some(Open::Object { has_value, .. })) => *has_value = false,
            (b',', Some(Open::List { index })) => *index += 1,
            (b'[', _) => open.push(Open::List { index: 0 }),
            (b'{', _) => open.push(Open::Object {
                name: None,
                has_value: false,
            }),
            (b']' | b'}', _) => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    let steps = open.into_iter().filter_map(|open| match open {
        Open::Object { name, has_value } => name.filter(|_| has_value).map(Step::Name),
        Open::List { index } => Some(Step::Item(index)),
    });
    steps.collect()
}

/// Where the closing quotation mark of the string is that begins here, or the end of the text.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The body with another name in place of this one, which has the same length and the same kinds of characters.
///
/// A map accepts another key as it accepts this one, and refuses the same value at the same place. A name that the handler's type
/// states is not found any more, so the error is another one.
pub(super) fn with_other_name(body: &str, name: Range<usize>) -> String {
    let other: String = body[name.clone()].chars().map(next_of_its_kind).collect();
    [&body[..name.start], &other, &body[name.end..]].concat()
}

/// Hexadecimal digits stay such, so that a UUID stays one.
fn next_of_its_kind(character: char) -> char {
    let next = |first: char, last: char| match character == last {
        true => first,
        false => char::from_u32(u32::from(character) + 1).unwrap_or(first),
    };
    match character {
        '0'..='9' => next('0', '9'),
        'a'..='f' => next('a', 'f'),
        'g'..='z' => next('g', 'z'),
        'A'..='F' => next('A', 'F'),
        'G'..='Z' => next('G', 'Z'),
        other => other,
    }
}

/// The longest name that is shown.
const LONGEST_NAME: usize = 64;

/// More digits than names of fields have. A number of a card or an account has more.
const MOST_DIGITS: usize = 4;

/// Whether a text may be the name of a field. An e-mail address or an account number, as keys of a map, are none.
pub(super) fn may_be_field(name: &str) -> bool {
    let starts = |first: char| first.is_ascii_alphabetic() || first == '_';
    let is_part = |part: char| part.is_ascii_alphanumeric() || matches!(part, '_' | '-');
    name.len() <= LONGEST_NAME
        && name.starts_with(starts)
        && name.chars().all(is_part)
        && name.chars().filter(char::is_ascii_digit).count() <= MOST_DIGITS
}
