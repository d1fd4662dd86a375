//! Reasons without what differs from message to message.

/// What stands for an identifier.
const MASK: char = '…';

/// A word of this many hexadecimal digits, or more, is an identifier, even if all of them are letters.
const SHORTEST_HEX_IDENTIFIER: usize = 8;

/// The reason with each value masked: `order … costs more than …`. A value is a word with a digit, a long hexadecimal word, or a
/// text in quotation marks. Such are identifiers, numbers, times and names; what is left is the same for all messages that
/// fail for one cause.
pub(super) fn masked(reason: &str) -> String {
    let mut masked = String::with_capacity(reason.len());
    let mut rest = reason;
    while !rest.is_empty() {
        if let Some((opening, closing, after)) = quoted(rest) {
            masked.extend([opening, MASK, closing]);
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(word_bytes(rest));
        match is_identifier(word) {
            true => masked.push(MASK),
            false => masked.push_str(word),
        }
        // What ends a word.
        let mut characters = after.chars();
        masked.extend(characters.next());
        rest = characters.as_str();
    }
    masked
}

/// A reason as it is listed: `card-declined: the card was declined`.
pub(super) fn listed(code: Option<&str>, reason: &str) -> String {
    match code {
        Some(code) => format!("{code}: {reason}"),
        None => reason.to_owned(),
    }
}

fn is_identifier(word: &str) -> bool {
    let is_hex = || word.len() >= SHORTEST_HEX_IDENTIFIER && word.chars().all(|it| it.is_ascii_hexdigit());
    word.contains(char::is_numeric) || is_hex()
}

/// The marks of the quoted text that this text begins with, and what follows it. The text begins with no apostrophe: that is
/// what ends the word before it.
fn quoted(text: &str) -> Option<(char, char, &str)> {
    let opening = text.chars().next()?;
    let closing = match opening {
        '"' => '"',
        '“' => '”',
        '\'' => '\'',
        _ => return None,
    };
    let (value, after) = text[opening.len_utf8()..].split_once(closing)?;
    let ends = closing != '\'' || !after.starts_with(char::is_alphanumeric);
    (ends && !value.is_empty()).then_some((opening, closing, after))
}

/// The length of the word that the text begins with: letters, digits, and what joins them in identifiers, numbers and times.
fn word_bytes(text: &str) -> usize {
    let mut before = ' ';
    let mut after = text.chars().skip(1);
    let end = text.char_indices().find(|(_, character)| {
        let after = after.next().unwrap_or(' ');
        let joins = match character {
            '-' | '_' => true,
            '.' => after.is_alphanumeric(),
            ',' | ':' => before.is_numeric() && after.is_numeric(),
            other => other.is_alphanumeric(),
        };
        before = *character;
        !joins
    });
    end.map_or(text.len(), |(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn words_with_digits_are_masked() {
        for (reason, expected) in [
            ("order o-1 costs more than 500", "order … costs more than …"),
            ("order o-1 costs more than 1,234.50.", "order … costs more than …."),
            ("no order \"2e9b785d-6ad6-4b7a-9a27-3a2b0a1f5c11\"", "no order \"…\""),
            ("key place-order#17: id=42, n=-5", "key place-order#…: id=…, n=…"),
            (
                "https://api.example.com/orders/17?page=2",
                "https://api.example.com/orders/…?page=…",
            ),
            ("late: 2026-01-02T03:04:05.678Z", "late: …"),
            ("line 3, column 65: 7€", "line …, column …: …€"),
            ("Größe XL… fehlt", "Größe XL… fehlt"),
            ("no customer \"Ada Lovelace\" here", "no customer \"…\" here"),
            ("no customer 'Ada', no “Bob”", "no customer '…', no “…”"),
            ("it's Ada's card, isn't it", "it's Ada's card, isn't it"),
            ("a \" alone and \"\"", "a \"…\"\""),
            ("unknown field `name`", "unknown field `name`"),
            ("object deadbeefcafe is gone", "object … is gone"),
            ("a facade is dead", "a facade is dead"),
            ("wrong sum", "wrong sum"),
            ("", ""),
        ] {
            assert_eq!(masked(reason), expected);
        }
    }
}
