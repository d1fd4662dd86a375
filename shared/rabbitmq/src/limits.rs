//! What RabbitMQ accepts as a message.

use consumer::Limits;

use crate::headers::is_attribute;

/// The limits of each queue.
pub(crate) fn limits() -> Limits {
    Limits {
        // The default of RabbitMQ 4 for a body (max_message_size); 128 MiB before.
        message_bytes: 16 * 1024 * 1024,
        // Bounded only by the size of a frame, which `Publication` checks.
        attributes: 256,
        empty_body: true,
        // Only its declaration states whether a queue is ordered, not its name.
        ordered: false,
        character: |_| true,
        // A name is a short string.
        attribute_name: |name| (1..=255).contains(&name.len()) && is_attribute(name),
        group: |group| !group.is_empty(),
    }
}
