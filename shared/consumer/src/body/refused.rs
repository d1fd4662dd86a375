//! Why a value is refused that is valid JSON: what was expected, without what was found.
//!
//! serde's texts quote the value: `invalid type: string "4111", expected u64`. What follows the last `expected` is the handler's
//! own: the name of a type, of a variant or of a field.

/// The text of an error without the values in it; `None` for a text that is not one of serde's own, such as one of a
/// `deserialize_with`: it may quote anything.
pub(super) fn without_values(text: &str) -> Option<String> {
    if is_about_a_field(text) || is_about_an_untagged_enum(text) {
        return Some(text.to_owned());
    }
    let (problem, expected) = text
        .rsplit_once(", expected ")
        .or_else(|| text.rsplit_once(", there are "))?;
    let problem = problem.split_once(['`', ':']).map_or(problem, |(problem, _)| problem);
    let found = || found_type(text.strip_prefix(problem)?.strip_prefix(": ")?);
    let expected = shown(expected.trim_start_matches("one of "));
    Some(match problem {
        "unknown variant " => format!("unknown variant: expected one of {expected}"),
        "unknown field " => format!("unknown field: expected one of {expected}"),
        "invalid type" => format!("expected {expected}, found {}", found()?),
        "invalid value" => format!("expected {expected}, found {} with another value or range", found()?),
        _ if problem.starts_with("invalid length ") => format!("expected {expected}, found another number of values"),
        _ => return None,
    })
}

/// The kind of what was found. What follows it is content of the body.
fn found_type(found: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 9] = [
        ("string ", "a string"),
        ("integer ", "an integer"),
        ("floating point ", "a number with a fraction"),
        ("boolean ", "true or false"),
        ("null", "null"),
        ("map", "an object"),
        ("sequence", "a list"),
        ("number", "a number"),
        ("unit", "null"),
    ];
    let mut types = TYPES.iter();
    let (_, name) = types.find(|(start, _)| found.starts_with(start))?;
    Some(name)
}

/// A list of variants may be long.
const LONGEST_EXPECTED_BYTES: usize = 300;

/// What a handler's type states, cut. serde names Rust's types where a producer knows JSON's.
fn shown(expected: &str) -> String {
    let plain = match expected {
        "variant identifier" => "the name of a variant",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => return format!("an integer ({expected})"),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => return format!("a non-negative integer ({expected})"),
        "f32" | "f64" => return format!("a number ({expected})"),
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        other => other,
    };
    let cut = plain.floor_char_boundary(LONGEST_EXPECTED_BYTES);
    format!("{}{}", &plain[..cut], if cut < plain.len() { "..." } else { "" })
}

fn is_about_a_field(text: &str) -> bool {
    let field = text
        .strip_prefix("missing field `")
        .or_else(|| text.strip_prefix("duplicate field `"));
    field.is_some_and(|field| field.ends_with('`'))
}

/// Which of its variants fits best is not known, so nothing else can be stated.
fn is_about_an_untagged_enum(text: &str) -> bool {
    let name = text.strip_prefix("data did not match any variant of untagged enum ");
    name.is_some_and(|name| name.chars().all(|part| part.is_alphanumeric() || part == '_'))
}
