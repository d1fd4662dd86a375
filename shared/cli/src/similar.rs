//! What a misspelt name was meant to be.

/// The most similar of the names, if one is similar enough to be a misspelling: no more than a quarter of its letters is missing,
/// added, replaced or swapped with a neighbour. Upper and lower case don't count.
///
/// ```
/// assert_eq!(cli::similar("order", ["orders", "orders-dlq"]), Some("orders"));
/// assert_eq!(cli::similar("payments", ["orders"]), None);
/// ```
pub fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let edits = |known: &'a str| {
        let known_lower = known.to_lowercase();
        let edits = strsim::damerau_levenshtein(&wanted, &known_lower);
        let length = wanted.chars().count().max(known_lower.chars().count());
        (edits * 4 <= length && edits + 2 <= length).then_some((edits, known))
    };
    let (_, known) = names.into_iter().filter_map(edits).min()?;
    Some(known)
}

/// `; did you mean orders?`, to be appended to an error about `name`; empty if none of the names is [`similar`].
///
/// ```
/// assert_eq!(cli::did_you_mean("order", ["orders"]), "; did you mean orders?");
/// ```
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    similar(name, names).map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_missing_added_replaced_or_swapped_is_a_misspelling() {
        for misspelt in [
            "VisibilityTimeut",
            "VisibilityTimeoutt",
            "VisibilityTimeaut",
            "VisibiltiyTimeout",
        ] {
            assert_eq!(
                similar(misspelt, ["VisibilityTimeout", "Timeout"]),
                Some("VisibilityTimeout"),
                "{misspelt}"
            );
        }
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(similar("ORDERS", ["orders"]), Some("orders"));
    }

    #[test]
    fn nearest_of_several_is_taken() {
        assert_eq!(similar("orders-dl", ["orders", "orders-dlq"]), Some("orders-dlq"));
        assert_eq!(similar("orders", ["orders-dlq", "order"]), Some("order"));
    }

    #[test]
    fn other_words_are_not_similar() {
        assert_eq!(similar("CreationPolicy", ["DeletionPolicy"]), None);
        for other in ["payments", "Time", "x", ""] {
            assert_eq!(
                similar(other, ["orders", "VisibilityTimeout", "y", ""]),
                None,
                "{other}"
            );
        }
    }

    #[test]
    fn advice_is_empty_if_nothing_is_similar() {
        assert_eq!(did_you_mean("payments", ["orders"]), "");
    }
}
