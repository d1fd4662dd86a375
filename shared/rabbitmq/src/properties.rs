//! A message as it is published.

use consumer::QueueMessage;
use consumer::dead_letter::{self, FAILURE};
use idempotency::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use sha2::{Digest, Sha256};

use crate::headers::{self, GROUP, TRACE};
use crate::size::{MOST_DEAD_LETTER_BYTES, MOST_HEADER_BYTES, header_bytes, size};

/// A message to publish: properties with headers, and the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Publication {
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

/// Written to disk.
pub(crate) const PERSISTENT: u8 = 2;
/// Length of a property such as the message ID.
const SHORT_STRING: usize = 255;
/// What a reason of a dead letter may take if headers are too large with all of it.
const SHORT_REASON: usize = 1024;

impl Publication {
    /// The message with its properties and headers.
    ///
    /// # Errors
    ///
    /// Why the broker would close the connection instead of accepting it.
    pub(crate) fn of(message: &QueueMessage) -> Result<Self, String> {
        let headers = header_table(message)?;
        let seconds = Timestamp::now().millis() / 1000;
        let properties = BasicProperties::default()
            .with_message_id(message_id(message.deduplication_id.as_deref()))
            .with_delivery_mode(PERSISTENT)
            .with_timestamp(seconds)
            .with_headers(headers);
        Ok(Self {
            properties,
            body: message.body.clone().into_bytes(),
        })
    }
}

/// The headers of a message.
///
/// # Errors
///
/// Why the broker would close the connection instead of accepting them.
pub(crate) fn header_table(message: &QueueMessage) -> Result<FieldTable, String> {
    let mut headers = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| match ShortString::try_new(name) {
        Ok(name) => {
            headers.insert(name, value);
            Ok(())
        }
        Err(why) => Err(format!("attribute name: {why}")),
    };
    let bytes = message_bytes(message);
    for (name, attribute) in &message.attributes {
        match bytes > MOST_HEADER_BYTES && name == FAILURE {
            true => set(
                name,
                headers::value(&dead_letter::with_short_reason(attribute, SHORT_REASON)),
            )?,
            false => set(name, headers::value(attribute))?,
        }
    }
    for (name, text) in [(GROUP, &message.group), (TRACE, &message.trace_header)] {
        if let Some(text) = text {
            set(name, AMQPValue::LongString(text.as_str().into()))?;
        }
    }
    let has = header_bytes(&headers);
    let most = match message.attributes.contains_key(FAILURE) {
        true => MOST_DEAD_LETTER_BYTES,
        false => MOST_HEADER_BYTES,
    };
    if has > most {
        return Err(format!(
            "attributes and group take {has} bytes of at most {most}: they are headers of RabbitMQ, which must fit one frame of 128 \
             KiB, its default frame_max"
        ));
    }
    Ok(headers)
}

/// Each copy of a message that is sent again has the same ID. A deduplication ID that is too long is replaced by its digest.
fn message_id(deduplication_id: Option<&str>) -> ShortString {
    let id = match deduplication_id {
        None => uuid::Uuid::new_v4().to_string(),
        Some(id) if id.len() <= SHORT_STRING && !id.is_empty() => id.to_owned(),
        Some(id) => hex::encode(Sha256::digest(id)),
    };
    ShortString::try_new(id).unwrap_or_default()
}

fn message_bytes(message: &QueueMessage) -> usize {
    let attributes = message
        .attributes
        .iter()
        .map(|(name, value)| size(name, &headers::value(value)));
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    attributes.sum::<usize>() + length(&message.group) + length(&message.trace_header) + GROUP.len() + TRACE.len()
}

#[cfg(test)]
mod tests {
    use consumer::Attribute;
    use consumer::dead_letter::Rejection;

    use super::*;

    fn message(attributes: &[(&str, &str)]) -> QueueMessage {
        let attribute = |text: &str| Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some(text.to_owned()),
            binary_value: None,
        };
        QueueMessage {
            body: "{}".to_owned(),
            attributes: attributes
                .iter()
                .map(|(name, text)| ((*name).to_owned(), attribute(text)))
                .collect(),
            group: Some("g".to_owned()),
            deduplication_id: Some("d".to_owned()),
            trace_header: Some("Root=1-2-3".to_owned()),
        }
    }

    fn text(publication: &Publication, name: &str) -> Option<String> {
        headers::text(publication.properties.headers().as_ref(), name)
    }

    #[test]
    fn a_message_is_persistent_with_id_group_and_trace() {
        let published = Publication::of(&message(&[("a", "v")])).unwrap();
        assert_eq!(published.properties.message_id().as_ref().unwrap().as_str(), "d");
        assert_eq!(published.properties.delivery_mode(), &Some(2));
        assert!(published.properties.timestamp().unwrap() > 1_700_000_000);
        let text = |name| text(&published, name);
        assert_eq!((text("a").as_deref(), text(GROUP).as_deref()), (Some("v"), Some("g")));
        assert_eq!(
            (text(TRACE).as_deref(), published.body.as_slice()),
            (Some("Root=1-2-3"), &b"{}"[..])
        );
    }

    #[test]
    fn copies_have_one_id_and_others_an_id_of_their_own() {
        let id = |id: Option<&str>| message_id(id).to_string();
        assert_ne!(id(None), id(None));
        let long = "i".repeat(256);
        assert_eq!((id(Some(&long)), id(Some(&long)).len()), (id(Some(&long)), 64));
        assert_ne!(id(Some(&long)), id(Some(&"i".repeat(257))));
        assert_eq!(id(Some(&"i".repeat(255))), "i".repeat(255));
    }

    #[test]
    fn headers_that_do_not_fit_a_frame_are_refused() {
        let large = "x".repeat(MOST_HEADER_BYTES);
        let why = Publication::of(&message(&[("a", &large)])).unwrap_err();
        assert!(why.contains("of at most 114688"), "{why}");
        let why = Publication::of(&message(&[(&"n".repeat(256), "v")])).unwrap_err();
        assert!(why.contains("255 bytes"), "{why}");
    }

    #[test]
    fn a_dead_letter_has_room_for_the_reason() {
        let large = "x".repeat(MOST_HEADER_BYTES);
        let sent = Publication::of(&message(&[("a", &large), (FAILURE, "{}")]));
        assert!(sent.is_ok(), "{sent:?}");
    }

    /// Otherwise no dead letter of the message could ever be sent.
    #[test]
    fn a_reason_that_does_not_fit_a_header_is_cut() {
        let rejection = Rejection {
            reason: "ü".repeat(MOST_HEADER_BYTES),
            code: Some("c".to_owned()),
            function: "n".to_owned(),
            receive_count: 3,
        };
        let published = Publication::of(&message(&[(FAILURE, &rejection.to_json()), ("a", "v")])).unwrap();
        let short = Rejection::from_json(&text(&published, FAILURE).unwrap()).unwrap();
        assert_eq!(short.reason, "ü".repeat(512));
        assert_eq!((short.code, short.receive_count), (rejection.code, 3));
        assert_eq!(text(&published, "a").as_deref(), Some("v"));
    }
}
