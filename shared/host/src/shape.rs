//! The shape of settings. What can't work is refused at start, not at the first message that needs it: by then, a record may
//! hold the wrong destination.
//!
//! A problem names a value only if it can't contain a secret.

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

/// Whether this is the URL of a queue: `https://sqs.<region>.amazonaws.com/<account>/<name>`, or of another endpoint with
/// account and name in its path
/// ([queue URLs](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html)).
pub(crate) fn queue_url(value: &str) -> Result<(), String> {
    if value.starts_with("arn:") {
        return Err(format!(
            "is not a queue URL but an ARN, {value:?}: use !Ref of the queue instead of !GetAtt Arn"
        ));
    }
    if is_queue_name(value) {
        return Err(format!(
            "is not a queue URL but a queue's name, {value:?}: use !Ref of the queue, or `aws sqs get-queue-url`"
        ));
    }
    let path = http_url(value).map_err(|problem| problem.replace("a URL", "a queue URL"))?;
    if value.contains(['?', '#', '@']) {
        return Err("is not a queue URL: it has a query, a fragment or user info".to_owned());
    }
    let mut segments = path.split('/').rev();
    let name = segments.next().unwrap_or_default();
    let account = segments.next().unwrap_or_default();
    match is_queue_name(name) && !account.is_empty() {
        true => Ok(()),
        false => {
            Err("is not a queue URL: it must end with account and queue name, such as /111122223333/orders".to_owned())
        }
    }
}

/// The path of an http or https URL with a host.
pub(crate) fn http_url(value: &str) -> Result<&str, String> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        let start = value.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = scheme else {
        return Err("is not a URL: it must begin with https:// or http://".to_owned());
    };
    if value.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err("is not a URL: it contains white space or control characters".to_owned());
    }
    if value.contains(['"', '\'', '<', '>', '\\', '`', '{', '}']) {
        return Err(
            "is not a URL: it contains quotes, braces, or other characters that must be percent-encoded".to_owned(),
        );
    }
    let rest = &value[scheme.len()..];
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.is_empty() || host.starts_with(':') {
        true => Err("is not a URL: it has no host".to_owned()),
        false => Ok(path),
    }
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

/// Up to 80 letters, digits, hyphens and underscores; the suffix `.fifo` is part of them
/// ([CreateQueue](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html)).
fn is_queue_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !stem.is_empty() && name.len() <= 80 && stem.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_urls_of_aws_and_of_other_endpoints_are_accepted() {
        for url in [
            "https://sqs.eu-central-1.amazonaws.com/111122223333/orders",
            "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/orders.fifo",
            "https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/orders",
            "https://vpce-0a-1b.sqs.us-east-1.vpce.amazonaws.com/111122223333/orders",
            "https://queue.amazonaws.com/111122223333/orders",
            "http://127.0.0.1:4566/000000000000/orders",
            "http://[::1]:4566/000000000000/orders",
            "http://localhost:4566/queue/us-east-1/000000000000/orders",
            "HTTPS://sqs.eu-central-1.amazonaws.com/111122223333/Orders_2-a",
        ] {
            assert_eq!(queue_url(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_queue_url_is_named_for_what_it_is() {
        for (value, problem) in [
            (
                "arn:aws:sqs:eu-central-1:111122223333:orders",
                "but an ARN, \"arn:aws:sqs:",
            ),
            ("orders", "but a queue's name, \"orders\""),
            ("orders.fifo", "but a queue's name"),
            (
                "sqs.eu-central-1.amazonaws.com/111122223333/orders",
                "must begin with https://",
            ),
            ("ftp://example.com/1/orders", "must begin with https://"),
            (
                "https:/sqs.eu-central-1.amazonaws.com/1/orders",
                "must begin with https://",
            ),
            ("https://", "has no host"),
            ("https:///111122223333/orders", "has no host"),
            (
                "https://sqs.eu-central-1.amazonaws.com",
                "must end with account and queue name",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/orders",
                "must end with account and queue name",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/111122223333/",
                "must end with account and queue name",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/111122223333/orders/",
                "must end with account and queue name",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/1/a.b",
                "must end with account and queue name",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/1/orders?Action=x",
                "has a query",
            ),
            ("https://a:b@sqs.eu-central-1.amazonaws.com/1/orders", "user info"),
            ("https://sqs.eu-central-1.amazonaws.com/1/or ders", "white space"),
            (
                "\"https://sqs.eu-central-1.amazonaws.com/1/orders\"",
                "must begin with https://",
            ),
            (
                "https://sqs.${AWS::Region}.amazonaws.com/1/orders",
                "must be percent-encoded",
            ),
            (
                "https://sqs.eu-central-1.amazonaws.com/1/orders\\n",
                "must be percent-encoded",
            ),
        ] {
            let why = queue_url(value).unwrap_err();
            assert!(
                why.starts_with("is not a queue URL") && why.contains(problem),
                "{value}: {why}"
            );
        }
    }

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
