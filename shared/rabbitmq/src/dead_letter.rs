//! Dead letters of messages that can't even be received as messages.

use std::collections::BTreeMap;

use consumer::dead_letter::{Original, Rejection, pack};
use lapin::message::Delivery;

use crate::copy;
use crate::headers;
use crate::incoming::receive_count;
use crate::limits::limits;
use crate::properties::Publication;

/// Stands for the function, which such a message does not reach.
const FUNCTION: &str = "rabbitmq";

/// The dead letter: the message as it is, byte for byte, with its queue and the reason as headers. `None`: they do not fit.
pub(crate) fn dead_letter(queue: &str, delivery: &Delivery, why: &str) -> Option<Publication> {
    let rejection = Rejection {
        reason: why.to_owned(),
        code: None,
        function: FUNCTION.to_owned(),
        receive_count: receive_count(delivery),
    };
    let id = delivery.properties.message_id().as_ref().map(|id| id.to_string());
    // The dead letter needs an ID: an operator may send it again.
    let id = id
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| format!("unidentified-{}", uuid::Uuid::new_v4()));
    let original = Original {
        message_id: Some(id.clone()),
        queue: Some(queue.to_owned()),
        ..Original::default()
    };
    let ours = pack(BTreeMap::new(), original, Some(&rejection), &limits());
    let ours = ours
        .iter()
        .map(|(name, attribute)| (name.as_str(), headers::value(attribute)));
    copy::dead_letter(delivery, &id, ours.collect())
}

#[cfg(test)]
mod tests {
    use consumer::dead_letter::{FAILURE, ORIGINAL};

    use super::*;

    #[test]
    fn an_odd_message_keeps_its_bytes_and_states_why() {
        let delivery = Delivery::mock(1, "".into(), "orders".into(), true, vec![0xff, 0x00]);
        let dead_letter = dead_letter("amqp:orders", &delivery, "its body is not UTF-8").unwrap();
        let header = |name| headers::text(dead_letter.properties.headers().as_ref(), name).unwrap();
        let rejection = Rejection::from_json(&header(FAILURE)).unwrap();
        assert_eq!(
            (rejection.reason.as_str(), rejection.receive_count),
            ("its body is not UTF-8", 2)
        );
        let original = Original::from_json(&header(ORIGINAL)).unwrap();
        assert_eq!(original.queue.as_deref(), Some("amqp:orders"));
        let id = dead_letter.properties.message_id().as_ref().map(|id| id.to_string());
        assert!(id == original.message_id && id.unwrap().starts_with("unidentified-"));
        assert_eq!(dead_letter.body, [0xff, 0x00]);
    }
}
