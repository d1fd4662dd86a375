//! What RabbitMQ accepts as a message.

use consumer::Limits;

use crate::headers::is_attribute;
use crate::properties::header_table;

/// The limits of each queue.
pub(crate) fn limits() -> Limits {
    Limits {
        // The default of RabbitMQ 4 for a body (max_message_size); 128 MiB before.
        message_bytes: 16 * 1024 * 1024,
        // Bounded only by the size of a frame: see `other`.
        attributes: 256,
        empty_body: true,
        // Only its declaration states whether a queue is ordered, not its name.
        ordered: false,
        character: |_| true,
        // A name is a short string.
        attribute_name: |name| (1..=255).contains(&name.len()) && is_attribute(name),
        group: |group| !group.is_empty(),
        other: |message| header_table(message).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use consumer::{Attribute, QueueMessage};
    use idempotency::OutgoingMessage;

    use super::*;
    use crate::size::MOST_HEADER_BYTES;

    /// Before its completion is committed: afterwards it could never be sent.
    #[test]
    fn attributes_that_do_not_fit_a_frame_are_refused() {
        let refusal = |bytes: usize| {
            let outgoing = OutgoingMessage::new("amqp:any", "{}");
            let mut message = QueueMessage::of_outgoing(&outgoing, None);
            let attribute = Attribute {
                data_type: Some("String".to_owned()),
                string_value: Some("x".repeat(bytes)),
                binary_value: None,
            };
            message.attributes = [("a".to_owned(), attribute)].into();
            limits().check(&message).err().map(|why| why.to_string())
        };
        let most = MOST_HEADER_BYTES - "a".len() - 6;
        assert_eq!(refusal(most), None);
        assert_eq!(
            refusal(most + 1).as_deref(),
            Some(
                "attributes and group take 114689 bytes of at most 114688: they are headers of RabbitMQ, which must fit one frame of \
                 128 KiB, its default frame_max"
            )
        );
    }
}
