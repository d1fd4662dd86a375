//! Names in spans.

/// The target of the spans of this crate. They are on the lowest level, so that log lines do not have their fields.
pub(crate) const TARGET: &str = "telemetry";

/// The name of a queue without host and account: the low-cardinality name that
/// [span names](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#span-name) need.
pub(crate) fn destination(queue: &str) -> &str {
    if let Some((_, name)) = queue.split_once("?queue=") {
        return name;
    }
    // Cloud Tasks: the target.
    let queue = queue.split('?').next().unwrap_or(queue);
    // `amqp:NAME` is a queue of RabbitMQ that messages are sent to, whose name may have any character but a slash.
    let name = queue.rsplit('/').next().unwrap_or(queue);
    name.strip_prefix("amqp:").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_the_last_part_of_a_queues_name() {
        for (queue, expected) in [
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
                "orders.fifo",
            ),
            ("amqp://rabbit.example:5672/shop?queue=orders", "orders"),
            (
                "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/orders?target=https://a.example/b?c",
                "orders",
            ),
            ("amqp:orders:eu", "orders:eu"),
            ("orders", "orders"),
        ] {
            assert_eq!(destination(queue), expected);
        }
    }
}
