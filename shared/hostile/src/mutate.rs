//! Changes to an input.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;

use crate::spans::spans;

/// JSON texts that are values, or would be.
const VALUES: [&str; 40] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1.0",
    "0.1",
    "1e2",
    "1e400",
    "-1e999999",
    "1e-999999",
    "01",
    "0x10",
    "NaN",
    "Infinity",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    r#""""#,
    r#"" ""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\u0000""#,
    r#""\uffff\u202e\ufeff""#,
    r#""-1""#,
    r#""18446744073709551615""#,
    r#""1e999999""#,
    r#""!!!""#,
    "{}",
    "[]",
    "[null]",
    r#"{"": null}"#,
    r#"[["S", "x"]]"#,
    r#"{"S": {}}"#,
    "'single'",
];

/// Texts that begin an encoding.
const PREFIXES: [&[u8]; 8] = [
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1f\x8b\x08",
    b"\x00",
    b" \n\t",
    b"{",
    b"\"",
    b"%7B",
];

/// A hostile variant of the input, of at most `longest` bytes.
pub fn mutate(input: &[u8], rng: &mut Rng, longest: usize) -> Vec<u8> {
    let mut text = input.to_vec();
    for _ in 0..rng.usize(1..=4) {
        text = change(text, rng, longest, 0);
        text.truncate(longest);
    }
    text
}

/// One change; `depth` counts the strings that it is inside of.
fn change(text: Vec<u8>, rng: &mut Rng, longest: usize, depth: usize) -> Vec<u8> {
    match rng.u8(..100) {
        0..75 => change_value(text, rng, longest, depth),
        75..80 => encode(text, rng),
        80..90 => change_line(&text, rng),
        _ => change_bytes(text, rng),
    }
}

/// Changes one value or member.
fn change_value(text: Vec<u8>, rng: &mut Rng, longest: usize, depth: usize) -> Vec<u8> {
    let found = spans(&text);
    let of_members = rng.u8(..3) == 0 && !found.members.is_empty();
    let ranges = if of_members { &found.members } else { &found.values };
    let Some(range) = rng.choice(ranges).cloned() else {
        return change_bytes(text, rng);
    };
    let old = &text[range.clone()];
    let other = |rng: &mut Rng| rng.choice(ranges).map_or(&old[..0], |range| &text[range.clone()]);
    let new = match rng.u8(..if of_members { 4 } else { 18 }) {
        0 => Vec::new(),
        1 => other(rng).to_vec(),
        2 => [old, b",", other(rng)].concat(),
        3 => [old, b",", old].concat(),
        4 => nested(old, rng),
        5 => long(rng, longest),
        6 | 7 if depth < 3 => inside(old, rng, longest, depth),
        8 => quoted(old),
        9 => with_characters(old, rng),
        _ => rng.choice(VALUES).unwrap_or_default().into(),
    };
    [&text[..range.start], &new, &text[range.end..]].concat()
}

fn nested(value: &[u8], rng: &mut Rng) -> Vec<u8> {
    let levels = *rng.choice(&[1, 2, 60, 127, 128, 1_000, 20_000]).unwrap_or(&1);
    let (open, close): (&[u8], &[u8]) = if rng.bool() { (b"[", b"]") } else { (b"{\"a\":", b"}") };
    [&open.repeat(levels), value, &close.repeat(levels)].concat()
}

fn long(rng: &mut Rng, longest: usize) -> Vec<u8> {
    let length = rng.usize(1..=longest.max(2) / 2);
    let unit = rng
        .choice(["a", "\\u0001", "\\\\", "é", "9", "${A}", " "])
        .unwrap_or("a");
    let text = unit.repeat(length / unit.len());
    format!("\"{text}\"").into_bytes()
}

/// A change to the text that a string holds.
fn inside(value: &[u8], rng: &mut Rng, longest: usize, depth: usize) -> Vec<u8> {
    match serde_json::from_slice::<String>(value) {
        Ok(text) => quoted(&change(text.into_bytes(), rng, longest, depth + 1)),
        Err(_) => quoted(value),
    }
}

/// The text as a JSON string.
fn quoted(text: &[u8]) -> Vec<u8> {
    serde_json::Value::from(String::from_utf8_lossy(text))
        .to_string()
        .into_bytes()
}

/// A string with an odd character somewhere.
fn with_characters(value: &[u8], rng: &mut Rng) -> Vec<u8> {
    let odd = [
        "\\ud800",
        "\\udfff",
        "\\u0000",
        "\\n",
        "\u{feff}",
        "\u{2028}",
        "\u{1f375}",
        "'",
        "\\",
        "\"",
        "%",
        "=",
    ];
    let odd = rng.choice(odd).unwrap_or_default();
    let at = rng.usize(..=value.len());
    [&value[..at], odd.as_bytes(), &value[at..]].concat()
}

/// The whole text in another encoding.
fn encode(text: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..6) {
        0 => BASE64_STANDARD.encode(&text).into_bytes(),
        1 => quoted(&text),
        2 => [&b"[".repeat(200), text.as_slice(), &b"]".repeat(200)].concat(),
        3 => [text.as_slice(), b"\n", text.as_slice()].concat(),
        // UTF-16.
        4 => text.iter().flat_map(|byte| [*byte, 0]).collect(),
        _ => [*rng.choice(&PREFIXES).unwrap_or(&PREFIXES[0]), text.as_slice()].concat(),
    }
}

/// Removes, repeats, moves or indents a line, or changes what follows its first colon.
fn change_line(text: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return text.to_vec();
    }
    let (at, other) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
    match rng.u8(..5) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => lines[at].splice(..0, b"  ".iter().copied()).for_each(drop),
        _ => {
            let line = &lines[at];
            let colon = line
                .iter()
                .position(|byte| *byte == b':')
                .map_or(line.len(), |colon| colon + 1);
            let value = rng.choice(VALUES).unwrap_or_default();
            lines[at] = [&line[..colon], b" ", value.as_bytes(), b"\n"].concat();
        }
    }
    lines.concat()
}

fn change_bytes(mut text: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let at = rng.usize(..=text.len());
    match rng.u8(..5) {
        0 => text.truncate(at),
        1 => text.insert(at, rng.u8(..)),
        2 => drop(text.drain(..at)),
        3 => {
            let end = rng.usize(at..=text.len());
            let repeated = text[at..end].repeat(2);
            text.splice(at..end, repeated).for_each(drop);
        }
        _ => text.get_mut(at).into_iter().for_each(|byte| *byte = rng.u8(..)),
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SEED: &[u8] = br#"{"id": "o-1", "body": "{\"amount\": 700}", "items": [1, 2]}"#;

    fn variants(count: u64) -> Vec<Vec<u8>> {
        (0..count)
            .map(|seed| mutate(SEED, &mut Rng::with_seed(seed), 100_000))
            .collect()
    }

    #[test]
    fn a_seed_of_the_generator_gives_one_variant() {
        assert_eq!(variants(100), variants(100));
        assert!(variants(1_000).into_iter().collect::<BTreeSet<_>>().len() > 500);
    }

    #[test]
    fn variants_are_valid_and_invalid_json_in_all_shapes() {
        let variants = variants(5_000);
        let has = |part: &str| variants.iter().any(|text| String::from_utf8_lossy(text).contains(part));
        let valid = variants
            .iter()
            .filter(|text| serde_json::from_slice::<serde_json::Value>(text).is_ok());
        assert!((1_000..4_500).contains(&valid.count()));
        assert!(variants.iter().all(|text| text.len() <= 100_000));
        for part in [
            "1e999999",
            "\\ud800",
            "\u{feff}",
            &"[".repeat(1_000),
            r#"{\"amount\": null}"#,
        ] {
            assert!(has(part), "{part}");
        }
        assert!(has(r#""id": "o-1","id": "o-1""#), "a member twice");
        assert!(variants.iter().any(|text| text.len() > 20_000), "a long one");
    }

    #[test]
    fn anything_can_be_mutated() {
        for seed in 0..1_000 {
            let rng = &mut Rng::with_seed(seed);
            let text: Vec<u8> = (0..rng.usize(..20)).map(|_| rng.u8(..)).collect();
            assert!(mutate(&text, rng, 50).len() <= 50);
        }
    }
}
