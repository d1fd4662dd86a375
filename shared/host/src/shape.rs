//! The shape of settings. What can't work is refused at start, not at the first message that needs it: by then, a record may
//! hold the wrong destination.
//!
//! A problem names a value only if it can't contain a secret.

mod url;

pub(crate) use url::{http_url, queue_url};

/// Whether a value begins or ends with white space, which files and editors add unseen.
pub(crate) fn trimmed(value: &str) -> Result<(), String> {
    let what = match value {
        _ if value.trim() == value => return Ok(()),
        _ if value.ends_with(['\n', '\r']) => "ends with a line break",
        _ if value.trim_end() != value => "ends with white space",
        _ => "begins with white space",
    };
    Err(format!("{what}: remove it"))
}

/// Whether this is a table's name, or the ARN of a table
/// ([PutItem](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html): `TableName`;
/// [naming rules](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html)).
pub(crate) fn table(value: &str) -> Result<(), String> {
    let name = match value.strip_prefix("arn:") {
        None => value,
        Some(arn) => {
            let mut parts = arn.splitn(5, ':');
            let service = parts.nth(1);
            let resource = parts.nth(2).and_then(|resource| resource.strip_prefix("table/"));
            match (service, resource) {
                (Some("dynamodb"), Some(name)) => name,
                _ => {
                    return Err(format!(
                        "is not a table's name but another ARN, {value:?}: use !Ref of the table"
                    ));
                }
            }
        }
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    // Requests accept names of one or two characters; only no table has one.
    match (1..=255).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err("is not a table's name: up to 255 of the characters a-z, A-Z, 0-9, '_', '-' and '.'".to_owned()),
    }
}

/// Whether this can be a region's name: the SDK makes it a part of a host.
pub(crate) fn region(value: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match (1..=63).contains(&value.len())
        && value.bytes().all(allowed)
        && !value.starts_with('-')
        && !value.ends_with('-')
    {
        true => Ok(()),
        false => Err("is not a region's name, such as eu-central-1".to_owned()),
    }
}

/// Whether an HTTP header can carry this value.
pub(crate) fn header(value: &str) -> Result<(), String> {
    match value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(()),
        false => Err("has characters that no HTTP header can carry".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_a_name_or_the_arn_of_a_table() {
        for name in [
            "abc",
            "Ledger_1-a.b",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/ledger",
        ] {
            assert_eq!(table(name), Ok(()), "{name}");
        }
        for wrong in [
            "led ger",
            "ledger\n",
            "https://example.com/ledger",
            "\"ledger\"",
            "table/ledger",
            "arn:aws:sqs:eu-central-1:111122223333:ledger",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/ledger/stream/2026",
            &"l".repeat(256),
        ] {
            assert!(
                table(wrong).unwrap_err().starts_with("is not a table's name"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn region_is_part_of_a_host_name() {
        for name in ["eu-central-1", "us-gov-west-1", "local"] {
            assert_eq!(region(name), Ok(()), "{name}");
        }
        for wrong in [
            "",
            "eu central 1",
            "-eu-",
            "eu_central_1",
            "eu-central-1.amazonaws.com",
            "https://sqs",
            &"r".repeat(64),
        ] {
            assert!(
                region(wrong).unwrap_err().starts_with("is not a region's name"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn header_has_visible_ascii_characters_only() {
        assert_eq!(header("Basic YWRhOg=="), Ok(()));
        for wrong in ["a\nb", "a\0", "p\u{e4}ss"] {
            let problem = header(wrong).unwrap_err();
            assert_eq!(problem, "has characters that no HTTP header can carry");
        }
    }

    #[test]
    fn white_space_around_a_value_is_named() {
        assert_eq!(trimmed("a b"), Ok(()));
        for (value, what) in [
            ("a\n", "ends with a line break"),
            ("a\r\n", "ends with a line break"),
            ("a ", "ends with white space"),
            ("\ta", "begins with white space"),
        ] {
            assert!(trimmed(value).unwrap_err().starts_with(what), "{value:?}");
        }
    }
}
