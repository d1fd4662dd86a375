//! A comparison of lists that reports the difference alone.

use std::collections::BTreeSet;
use std::fmt::Display;

/// Panics if the two differ: with what is missing, what is unexpected, and `advice` on what to do.
pub(crate) fn assert_same<T: Display>(
    what: &str,
    found: impl IntoIterator<Item = T>,
    expected: impl IntoIterator<Item = T>,
    advice: &str,
) {
    let texts = |items: &mut dyn Iterator<Item = T>| items.map(|item| item.to_string()).collect::<BTreeSet<_>>();
    let (found, expected) = (texts(&mut found.into_iter()), texts(&mut expected.into_iter()));
    let list = |items: Vec<&String>| match items.is_empty() {
        true => "none".to_owned(),
        false => items.into_iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let missing = list(expected.difference(&found).collect());
    let unexpected = list(found.difference(&expected).collect());
    assert!(
        found == expected,
        "{what}: missing: {missing}; unexpected: {unexpected}\n{advice}"
    );
}

#[test]
#[should_panic(expected = "queues: missing: b, d; unexpected: x\nadd it")]
fn difference_is_reported_without_what_is_the_same() {
    assert_same("queues", ["a", "x"], ["a", "b", "d"], "add it");
}

#[test]
#[should_panic(expected = "queues: missing: b; unexpected: none\nadd it")]
fn nothing_unexpected_is_reported_as_none() {
    assert_same("queues", ["a"], ["a", "b"], "add it");
}
