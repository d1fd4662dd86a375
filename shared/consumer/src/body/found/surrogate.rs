//! Escapes of half a surrogate pair.

/// Line, if there are several, and column (in characters), both from 1, of the first escape of half a surrogate pair.
pub(super) fn half_of_a_pair(body: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = body.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (mut at, mut in_string) = (0, false);
    while let Some(character) = body.get(at..)?.chars().next() {
        let length = match (character, unit(at)) {
            ('\\', Some(0xd800..=0xdbff)) if in_string => match unit(at + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return Some(position(body, at)),
            },
            ('\\', Some(0xdc00..=0xdfff)) if in_string => return Some(position(body, at)),
            ('\\', _) if in_string => 1 + body.get(at + 1..)?.chars().next()?.len_utf8(),
            _ => character.len_utf8(),
        };
        in_string ^= character == '"';
        at += length;
    }
    None
}

fn position(body: &str, at: usize) -> String {
    let before = body.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    match body.contains('\n') {
        true => format!("line {line}, column {column}"),
        false => format!("column {column}"),
    }
}
