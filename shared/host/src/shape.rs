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

/// Whether this is the URL of an SQS queue; `on_rabbitmq`: whether it is `amqp:NAME`, a queue of the broker that the worker
/// receives from.
pub(crate) fn destination(value: &str, on_rabbitmq: bool, region: Option<&str>) -> Result<(), String> {
    match (value.strip_prefix("amqp:"), on_rabbitmq) {
        (None, false) => queue_url(value, region),
        (Some(name), true) if is_rabbitmq_name(name) => Ok(()),
        (Some(_), true) => Err("is not amqp:NAME with the name of a queue, 1 to 255 bytes without '/'".to_owned()),
        (None, true) => Err(
            "is not a queue of RabbitMQ, which QUEUE_URL is on: use amqp:NAME, the queue NAME of the same broker"
                .to_owned(),
        ),
        (Some(_), false) => Err(
            "is a queue of RabbitMQ, but QUEUE_URL is not set to an amqp or amqps URL: use the URL of an SQS queue"
                .to_owned(),
        ),
    }
}

/// Whether this is the URL of a Storage Queue: in a cloud of Azure, or on an emulator. Its crate checks the rest.
pub(crate) fn is_azure_queue(value: &str) -> bool {
    let mut parts = value.split('/').skip(2);
    let (host, first) = (parts.next().unwrap_or_default(), parts.next());
    let mut labels = host.split('.').skip(1);
    (labels.next(), labels.next()) == (Some("queue"), Some("core")) || first == Some("devstoreaccount1")
}

/// Names have up to 255 bytes ([queues](https://www.rabbitmq.com/docs/queues#names)). A slash would be that of a URL with a host.
fn is_rabbitmq_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !name.contains('/') && !name.contains(char::is_control)
}

/// Whether this is a table's name, or the ARN of a table
/// ([PutItem](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html): `TableName`;
/// [naming rules](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html)).
///
/// `region`: where the SDK sends requests; `None` if that is another endpoint than AWS.
pub(crate) fn table(value: &str, region: Option<&str>) -> Result<(), String> {
    let name = match value.strip_prefix("arn:") {
        None => value,
        Some(arn) => of_arn(arn, region).map_err(|problem| format!("{problem}, {value:?}: use !Ref of the table"))?,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    // Requests accept names of one or two characters; only no table has one.
    match (1..=255).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err("is not a table's name: up to 255 of the characters a-z, A-Z, 0-9, '_', '-' and '.'".to_owned()),
    }
}

/// The table's name in an ARN, which is given without its beginning.
fn of_arn<'a>(arn: &'a str, region: Option<&str>) -> Result<&'a str, &'static str> {
    let parts: Vec<&str> = arn.splitn(5, ':').collect();
    let [_, "dynamodb", of_table, account, resource] = parts[..] else {
        return Err("is not a table's name but another ARN");
    };
    match resource.strip_prefix("table/") {
        None => Err("is not a table's name but another ARN"),
        Some(_) if of_table.is_empty() || account.is_empty() => Err("is an ARN without region or account"),
        Some(_) if region.is_some_and(|region| region != of_table) => {
            Err("is the ARN of a table in another region than AWS_REGION")
        }
        Some(name) => Ok(name),
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
        true if is_zone(value) => Err(format!("is an availability zone, {value:?}: use its region")),
        true => Ok(()),
        false => Err("is not a region's name, such as eu-central-1".to_owned()),
    }
}

/// Such as `eu-central-1a`.
fn is_zone(value: &str) -> bool {
    let last = value
        .rsplit('-')
        .next()
        .and_then(|last| last.strip_suffix(|last: char| last.is_ascii_lowercase()));
    value.contains('-') && last.is_some_and(|last| last.parse::<u8>().is_ok())
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
    fn a_destination_is_on_the_service_of_the_polled_queue() {
        let sqs = "https://sqs.eu-central-1.amazonaws.com/111122223333/orders";
        assert_eq!(destination(sqs, false, None), Ok(()));
        assert_eq!(destination("amqp:orders", true, None), Ok(()));
        for (value, on_rabbitmq, problem) in [
            (sqs, true, "is not a queue of RabbitMQ"),
            ("amqp:orders", false, "is a queue of RabbitMQ, but QUEUE_URL"),
            ("amqp://guest:secret@host/orders", true, "is not amqp:NAME"),
            ("amqp:", true, "is not amqp:NAME"),
        ] {
            let why = destination(value, on_rabbitmq, None).unwrap_err();
            assert!(why.starts_with(problem) && !why.contains("secret"), "{value}: {why}");
        }
    }

    #[test]
    fn a_storage_queue_is_known_by_its_host_or_the_account_of_emulators() {
        for url in [
            "https://shop.queue.core.windows.net/orders",
            "https://shop.queue.core.chinacloudapi.cn/orders?sig=secret",
            "http://127.0.0.1:10001/devstoreaccount1/orders",
        ] {
            assert!(is_azure_queue(url), "{url}");
        }
        for other in [
            "https://sqs.eu-central-1.amazonaws.com/111122223333/orders",
            "amqp:orders",
            "shop.queue.core.windows.net/orders",
            "http://127.0.0.1:4566/000000000000/orders",
        ] {
            assert!(!is_azure_queue(other), "{other}");
        }
    }

    #[test]
    fn table_is_a_name_or_the_arn_of_a_table() {
        for name in [
            "abc",
            "Ledger_1-a.b",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/ledger",
        ] {
            for region in [None, Some("eu-central-1")] {
                assert_eq!(table(name, region), Ok(()), "{name}");
            }
        }
        for wrong in [
            "led ger",
            "ledger\n",
            "https://example.com/ledger",
            "\"ledger\"",
            "table/ledger",
            "arn:aws:sqs:eu-central-1:111122223333:ledger",
            "arn:aws:dynamodb:eu-central-1:111122223333:ledger",
            "arn:aws:dynamodb:eu-central-1:111122223333:table/ledger/stream/2026",
            &"l".repeat(256),
        ] {
            let why = table(wrong, None).unwrap_err();
            assert!(why.starts_with("is not a table's name"), "{wrong}");
        }
    }

    /// Requests would be sent to the table of that name in this region, or fail.
    #[test]
    fn arn_of_a_table_in_another_region_is_refused() {
        let arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/ledger";
        assert_eq!(
            table(arn, Some("eu-west-1")).unwrap_err(),
            format!("is the ARN of a table in another region than AWS_REGION, {arn:?}: use !Ref of the table")
        );
        for arn in ["arn:aws:dynamodb:::table/t", "arn:aws:dynamodb:eu-central-1::table/t"] {
            let why = table(arn, None).unwrap_err();
            assert!(why.starts_with("is an ARN without region or account, "), "{why}");
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
    fn an_availability_zone_is_not_a_region() {
        for zone in ["eu-central-1a", "us-west-2-lax-1b"] {
            let expected = format!("is an availability zone, {zone:?}: use its region");
            assert_eq!(region(zone), Err(expected));
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
