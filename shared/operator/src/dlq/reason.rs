//! Reasons without what differs from message to message.

/// What stands for an identifier.
const MASK: char = '…';

/// The reason with each word masked that contains a digit: `order … costs more than …`. Such words are identifiers, numbers
/// and times; what is left is the same for all messages that fail for one cause.
pub(super) fn masked(reason: &str) -> String {
    let mut masked = String::with_capacity(reason.len());
    let mut rest = reason;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(word_bytes(rest));
        match word.contains(char::is_numeric) {
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
            ("wrong sum", "wrong sum"),
            ("", ""),
        ] {
            assert_eq!(masked(reason), expected);
        }
    }
}
