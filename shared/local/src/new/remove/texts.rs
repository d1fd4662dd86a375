//! Parts of texts that go with the sample functions.

/// The lines that contain these begin and end what goes. They are comments of the language of the text.
const BEGIN: &str = "samples: begin";
const END: &str = "samples: end";

/// The text without what is marked. A page (`.md`) loses also each row of a table that names a function or a path.
pub(super) fn without_samples(path: &str, text: &str, functions: &[&str], paths: &[String]) -> Result<String, String> {
    let is_page = path.ends_with(".md");
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let names_one = |line: &str| {
        let of_folder = |path: &String| {
            let below = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
            below.is_some_and(|below| line.contains(&format!("({below}/")))
        };
        functions.iter().any(|name| has_word(line, name))
            || paths
                .iter()
                .any(|path| has_word(line, &format!("`{path}")) || of_folder(path))
    };
    let mut rest = String::new();
    let (mut begun, mut is_after) = (None, false);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match begun {
            None if line.contains(BEGIN) => begun = Some(number + 1),
            Some(_) if line.contains(END) => (begun, is_after) = (None, true),
            Some(_) => {}
            None if line.contains(END) => return Err(format!("line {}: {END:?} without {BEGIN:?}", number + 1)),
            None if is_page && line.starts_with('|') && names_one(line) => {}
            // What was marked stood between empty lines: one of them goes, too.
            None if is_after && line.trim().is_empty() && rest.ends_with("\n\n") => {}
            None => {
                rest.push_str(line);
                is_after = false;
            }
        }
    }
    // Nor does a text end with one.
    if is_after && rest.ends_with("\n\n") {
        rest.pop();
    }
    match begun {
        Some(number) => Err(format!("line {number}: {BEGIN:?} without {END:?}")),
        None => Ok(rest),
    }
}

/// Whether the line contains this other than as a part of a longer name: `place-order` is not in `replace-order`.
fn has_word(line: &str, word: &str) -> bool {
    let goes_on = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(goes_on) && !after.starts_with(goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::without_samples;

    fn without(path: &str, text: &str) -> Result<String, String> {
        without_samples(path, text, &["place-order"], &["tests/demo".to_owned()])
    }

    #[test]
    fn marked_lines_go_with_their_markers() {
        let text = "mod facts;\n// samples: begin\nmod orders;\n// samples: end\nmod fields;\n";
        assert_eq!(without("main.rs", text).unwrap(), "mod facts;\nmod fields;\n");
        let page = "One.\n\n<!-- samples: begin -->\nTwo.\n<!-- samples: end -->\n\nThree.\n";
        assert_eq!(without("README.md", page).unwrap(), "One.\n\nThree.\n");
        let last = "One.\n\n<!-- samples: begin -->\nTwo.\n<!-- samples: end -->\n";
        assert_eq!(without("README.md", last).unwrap(), "One.\n");
    }

    #[test]
    fn rows_that_name_a_sample_go() {
        let page = "| a | b |\n|---|---|\n| place-order | x |\n| demo | `tests/demo` |\n| [demo](demo/README.md) | x |\n| c | d |\n";
        let rest = "| a | b |\n|---|---|\n| c | d |\n";
        assert_eq!(without("tests/README.md", page).unwrap(), rest);
        assert_eq!(without("tests/rows.txt", page).unwrap(), page, "only pages have rows");
    }

    #[test]
    fn rows_of_names_that_contain_a_sample_stay() {
        for own in [
            "replace-order",
            "place-order-again",
            "place-orders",
            "re_place-order",
            "`tests/demo-of-ours`",
        ] {
            let page = format!("| a | b |\n|---|---|\n| {own} | x |\n");
            assert_eq!(without("README.md", &page).unwrap(), page);
            let both = page.replace("| x |", "| x, place-order |");
            assert_eq!(without("README.md", &both).unwrap(), "| a | b |\n|---|---|\n", "{own}");
        }
    }

    #[test]
    fn marker_without_its_other_half_is_refused() {
        assert_eq!(
            without("a", "x\n# samples: begin\n").unwrap_err(),
            "line 2: \"samples: begin\" without \"samples: end\""
        );
        assert_eq!(
            without("a", "# samples: end\n").unwrap_err(),
            "line 1: \"samples: end\" without \"samples: begin\""
        );
    }
}
