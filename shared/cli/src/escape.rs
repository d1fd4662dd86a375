//! Text that others wrote, for a terminal.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Text on one line, with everything escaped that a terminal would obey, that has no width, or that changes the direction of
/// what is around it: keys, reasons and bodies are written by others.
pub fn printable(text: &str) -> String {
    let escaped = |character: char| match is_invisible(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn is_invisible(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\nü\u{0}"), "a\\u{1b}[2Jb\\nü\\u{0}");
    }

    #[test]
    fn invisible_and_bidirectional_characters_are_escaped() {
        let characters = [
            ("soft hyphen", '\u{ad}'),
            ("Arabic letter mark", '\u{61c}'),
            ("Mongolian vowel separator", '\u{180e}'),
            ("zero-width space", '\u{200b}'),
            ("left-to-right mark", '\u{200e}'),
            ("line separator", '\u{2028}'),
            ("right-to-left override", '\u{202e}'),
            ("word joiner", '\u{2060}'),
            ("invisible plus", '\u{2064}'),
            ("right-to-left isolate", '\u{2067}'),
            ("nominal digit shapes", '\u{206f}'),
            ("byte order mark", '\u{feff}'),
            ("interlinear annotation anchor", '\u{fff9}'),
            ("tag of a hidden letter", '\u{e0041}'),
        ];
        for (name, character) in characters {
            let escape = format!("\\u{{{:x}}}", u32::from(character));
            assert_eq!(printable(&character.to_string()), escape, "{name}");
        }
    }
}
