//! What stands where JSON ends to be JSON.

/// Words and signs of other languages; the first that fits.
const TOKENS: [(&[&str], &str); 6] = [
    (
        &["NaN", "Infinity"],
        "NaN or Infinity, which JSON does not have: send null or a text",
    ),
    (
        &["None", "True", "False"],
        "Python's None, True or False, where JSON has null, true and false",
    ),
    (&["undefined"], "JavaScript's undefined, which JSON does not have"),
    (&["//", "/*", "#"], "a comment, which JSON does not have"),
    (&["'"], "single quotation marks, where JSON has double ones"),
    (&["]", "}"], "trailing comma"),
];

/// What is at the line and column, in bytes, at which serde found no value or no key.
pub(in crate::body) fn at(body: &str, line: usize, column: usize) -> Option<&'static str> {
    let text = body.split('\n').nth(line.checked_sub(1)?)?;
    let text = text.get(column.checked_sub(1)?..)?;
    let known = TOKENS
        .iter()
        .find(|(starts, _)| starts.iter().any(|start| text.starts_with(start)));
    known.map(|(_, found)| *found)
}
