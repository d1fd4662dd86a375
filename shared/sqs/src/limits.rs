//! What SQS accepts as a message
//! ([SendMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html),
//! [message quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)).

use consumer::Limits;

/// The limits of this queue.
pub(crate) fn limits(queue_url: &str) -> Limits {
    Limits {
        message_bytes: 1024 * 1024,
        attributes: 10,
        empty_body: false,
        ordered: is_fifo(queue_url),
        character: is_xml,
        attribute_name: is_name,
        group: is_group,
        other: |_| Ok(()),
    }
}

/// Only its name states whether a queue is FIFO.
pub(crate) fn is_fifo(queue_url: &str) -> bool {
    queue_url.ends_with(".fifo")
}

/// The characters of XML 1.0.
fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn is_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=256).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
}

fn is_group(group: &str) -> bool {
    (1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_of_xml_are_accepted() {
        assert!("tea\t\n\r ü \u{10000}".chars().all(is_xml));
        assert!(!['\0', '\u{1}', '\u{b}', '\u{fffe}', '\u{ffff}'].into_iter().any(is_xml));
    }

    #[test]
    fn names_of_attributes_are_those_that_sqs_accepts() {
        for name in ["a", "tenant-1_x.y", &"n".repeat(256)] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "AWS.x",
            "amazon.x",
            ".a",
            "a.",
            "a..b",
            "a b",
            "ü",
            &"n".repeat(257),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn groups_have_1_to_128_letters_digits_or_punctuation() {
        assert!(is_group("tea-green!") && is_group(&"g".repeat(128)));
        for group in ["", "a b", "ü", &"g".repeat(129)] {
            assert!(!is_group(group), "{group}");
        }
    }

    #[test]
    fn only_fifo_queues_require_a_group() {
        assert!(limits("https://sqs/1/orders.fifo").ordered && !limits("https://sqs/1/orders").ordered);
    }
}
