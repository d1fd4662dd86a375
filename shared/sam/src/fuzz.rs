//! The property of templates, for any input. A test checks it on hostile inputs, and so does the fuzz target in `tests/fuzz`.

use crate::Settings;
use crate::read::resolve;

/// A template is read, or refused with a reason of one line about a line that exists.
pub fn is_read_or_refused(input: &[u8]) {
    let source = String::from_utf8_lossy(input);
    let settings = Settings {
        urls: Some("http://127.0.0.1:1".to_owned()),
        ..Settings::default()
    };
    if let Err(problem) = resolve(&source, &settings) {
        let line = problem.line();
        let reason = problem.in_file("t.yaml".into()).to_string();
        assert!(
            reason.starts_with("t.yaml:") && reason.len() > "t.yaml:1: : ".len(),
            "{reason}"
        );
        // A file may lack its last line feed.
        let last = source.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1;
        assert!(line.is_none_or(|line| (1..=last).contains(&line)), "{reason}");
    }
}

#[cfg(test)]
mod tests {
    use hostile::{check, files};

    use super::*;

    #[test]
    fn a_hostile_template_is_read_or_refused() {
        let mut seeds = files(&["tests/fuzz/seeds/template"]);
        seeds.push(include_bytes!("../../../template.yaml").to_vec());
        check(&seeds, 1_000, is_read_or_refused);
    }
}
