//! A message's body, decoded.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// The message in a body, or why it is malformed.
///
/// The reason goes to the log and into the ledger. The body must not: it may hold secrets, and serde's messages quote it.
/// The reason has the line and column, and the name of a missing field, which is the handler's.
pub(crate) fn decode<M: DeserializeOwned>(body: &str) -> Result<M, String> {
    serde_json::from_str(body).map_err(|error| {
        let text = error.to_string();
        let what = match error.classify() {
            Category::Eof => "unexpected end of JSON",
            Category::Syntax if text.starts_with("number out of range") => "number out of range",
            Category::Syntax => "not JSON",
            Category::Data | Category::Io => match text.split(" at line ").next() {
                Some(missing) if missing.starts_with("missing field") => missing,
                _ => "a value is not what the handler expects",
            },
        };
        format!(
            "malformed body: {what} (line {}, column {})",
            error.line(),
            error.column()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Card {
        #[expect(dead_code, reason = "only its absence matters")]
        number: u64,
    }

    #[test]
    fn the_reason_has_line_column_and_a_missing_field() {
        let reason = |body| decode::<Card>(body).unwrap_err();
        assert_eq!(
            reason("{}"),
            "malformed body: missing field `number` (line 1, column 2)"
        );
        assert_eq!(
            reason("{\n\"num"),
            "malformed body: unexpected end of JSON (line 2, column 4)"
        );
        assert_eq!(reason(""), "malformed body: unexpected end of JSON (line 1, column 0)");
        assert_eq!(reason("hello"), "malformed body: not JSON (line 1, column 1)");
        assert_eq!(
            reason(r#"{"number": 1e400}"#),
            "malformed body: number out of range (line 1, column 16)"
        );
    }

    #[test]
    fn the_reason_quotes_nothing_of_the_body() {
        for body in [
            r#"{"number": "4111111111111111"}"#,
            r#"{"number": -4111111111111111}"#,
            r#""4111111111111111""#,
        ] {
            let reason = decode::<Card>(body).unwrap_err();
            assert!(
                !reason.contains("4111") && reason.contains("not what the handler expects"),
                "{reason}"
            );
        }
    }
}
