//! The traces of a message: that of X-Ray, and that of W3C.

use std::collections::BTreeMap;

use crate::{Attribute, Limits, QueueMessage};

/// Names of message attributes, which are those of the headers.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// A longer `tracestate` need not be
/// [passed on](https://www.w3.org/TR/trace-context/#tracestate-limits).
const LONGEST_TRACESTATE: usize = 512;

/// A trace in the format of [W3C](https://www.w3.org/TR/trace-context/), which travels as the message attributes `traceparent` and
/// `tracestate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// The trace that these two headers state; `None` if `traceparent` is invalid. An invalid `tracestate` is left out.
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        is_traceparent(traceparent).then(|| Self {
            traceparent: traceparent.to_owned(),
            tracestate: tracestate.filter(|state| is_tracestate(state)).map(str::to_owned),
        })
    }

    /// Version, trace ID, parent ID and flags, separated by hyphens.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// What tracing systems add; it is without meaning to others.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The trace in a message's attributes; `None` if it is missing or invalid.
    pub fn of(attributes: &BTreeMap<String, Attribute>) -> Option<Self> {
        Self::new(text(attributes, TRACEPARENT)?, text(attributes, TRACESTATE))
    }

    /// Adds the trace to a message, as far as the queue has room for it: it must not cost the message. An attribute `traceparent`
    /// that the message has already stays, and nothing is added.
    pub fn add_to(&self, message: &mut QueueMessage, limits: &Limits) {
        if message.attributes.contains_key(TRACEPARENT) || !add(message, TRACEPARENT, &self.traceparent, limits) {
            return;
        }
        if let Some(state) = self.tracestate()
            && !message.attributes.contains_key(TRACESTATE)
        {
            add(message, TRACESTATE, state, limits);
        }
    }

    /// The same, but the trace that the message has already is removed first: that of its sender takes its place.
    pub fn replace_in(&self, message: &mut QueueMessage, limits: &Limits) {
        for name in [TRACEPARENT, TRACESTATE] {
            message.attributes.remove(name);
        }
        self.add_to(message, limits);
    }
}

fn text<'a>(attributes: &'a BTreeMap<String, Attribute>, name: &str) -> Option<&'a str> {
    attributes.get(name)?.string_value.as_deref()
}

/// A valid `traceparent` in a message's attributes.
pub(crate) fn traceparent(attributes: &BTreeMap<String, Attribute>) -> Option<&str> {
    text(attributes, TRACEPARENT).filter(|header| is_traceparent(header))
}

/// The ID of the trace in a valid `traceparent`: 32 hexadecimal digits.
pub(crate) fn w3c_trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

/// Adds an attribute that the message does not have, if the queue accepts it with one more. `false`: it is left out.
fn add(message: &mut QueueMessage, name: &str, value: &str, limits: &Limits) -> bool {
    message.attributes.insert(name.to_owned(), Attribute::string(value));
    let fits = message.attributes.len() <= limits.attributes
        && message.bytes() <= limits.message_bytes
        && (limits.attribute_name)(name)
        && value.chars().all(limits.character)
        && (limits.other)(message).is_ok();
    if !fits {
        message.attributes.remove(name);
    }
    fits
}

/// Whether this is a [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header): version, trace ID, parent ID and
/// flags, in lower-case hexadecimal digits. The IDs are not zero, and there is no version `ff`.
fn is_traceparent(header: &str) -> bool {
    let is_hexadecimal = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let parts: Vec<_> = header.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    lengths == [2, 32, 16, 2]
        && parts.iter().all(is_hexadecimal)
        && parts[0] != "ff"
        && !is_zero(parts[1])
        && !is_zero(parts[2])
}

/// Whether this may be a `tracestate`: visible ASCII characters. The receiver parses the list.
fn is_tracestate(header: &str) -> bool {
    (1..=LONGEST_TRACESTATE).contains(&header.len())
        && header.contains('=')
        && header.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The root of a trace in the format of `AWSTraceHeader`, such as `1-5759e988-bd862e3fe1be46a994272793`.
pub fn trace_id(header: &str) -> Option<&str> {
    let mut parts = header.split(';');
    parts.find_map(|part| part.trim().strip_prefix("Root="))
}

/// Whether this is a trace header of X-Ray: pairs of names and values, one of them `Root` with version, time and a random part
/// ([tracing header](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader)). SQS
/// refuses messages with another one.
pub fn is_trace_header(header: &str) -> bool {
    let is_hexadecimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_root = |id: &str| id.split('-').count() == 3 && id.split('-').all(is_hexadecimal);
    let are_pairs = header
        .split(';')
        .all(|pair| pair.trim().split_once('=').is_some_and(|(name, _)| !name.is_empty()));
    are_pairs && header.bytes().all(|byte| matches!(byte, b' '..=b'~')) && trace_id(header).is_some_and(is_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryQueues, Queues};

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn message(attributes: usize) -> QueueMessage {
        let attributes = (0..attributes).map(|n| (format!("a{n}"), Attribute::string("v")));
        QueueMessage {
            body: "{}".to_owned(),
            attributes: attributes.collect(),
            group: None,
            deduplication_id: None,
            trace_header: None,
        }
    }

    /// What a message with so many attributes has of a trace after it was added.
    fn added(attributes: usize, limits: &Limits) -> (bool, bool) {
        let mut message = message(attributes);
        let trace = TraceContext::new(EXAMPLE, Some("vendor=1")).unwrap();
        trace.add_to(&mut message, limits);
        assert!(limits.check(&message).is_ok());
        let has = |name| message.attributes.contains_key(name);
        (has(TRACEPARENT), has(TRACESTATE))
    }

    #[test]
    fn a_trace_is_added_while_the_queue_has_room() {
        let limits = MemoryQueues::new().limits("q");
        assert_eq!(limits.attributes, 10);
        assert_eq!(added(8, &limits), (true, true));
        assert_eq!(added(9, &limits), (true, false));
        assert_eq!(added(10, &limits), (false, false));
        let one_more = Limits {
            other: |message| match message.attributes.len() > 3 {
                true => Err("too many".to_owned()),
                false => Ok(()),
            },
            ..limits
        };
        assert_eq!(added(2, &one_more), (true, false));
        assert_eq!(added(3, &one_more), (false, false));
        let bytes = |message_bytes| Limits {
            message_bytes,
            ..limits
        };
        let traceparent = 2 + TRACEPARENT.len() + "String".len() + EXAMPLE.len();
        assert_eq!(added(0, &bytes(traceparent)), (true, false));
        assert_eq!(added(0, &bytes(traceparent - 1)), (false, false));
    }

    #[test]
    fn a_trace_of_the_message_itself_stays() {
        let mut message = message(0);
        let own = Attribute::string("its own");
        message.attributes.insert(TRACEPARENT.to_owned(), own);
        let before = message.clone();
        let trace = TraceContext::new(EXAMPLE, Some("vendor=1")).unwrap();
        trace.add_to(&mut message, &MemoryQueues::new().limits("q"));
        assert_eq!(message, before);
    }

    #[test]
    fn an_invalid_tracestate_does_not_cost_the_traceparent() {
        let long = "k=".to_owned() + &"v".repeat(LONGEST_TRACESTATE);
        for invalid in ["", "no list", "k=\u{e4}", "k=v\n", &long] {
            let trace = TraceContext::new(EXAMPLE, Some(invalid)).unwrap();
            assert_eq!(trace.tracestate(), None, "{invalid:?}");
        }
        let trace = TraceContext::new(EXAMPLE, Some("rojo=1,congo=2")).unwrap();
        assert_eq!(
            (trace.tracestate(), w3c_trace_id(trace.traceparent())),
            (Some("rojo=1,congo=2"), Some("4bf92f3577b34da6a3ce929d0e0e4736"))
        );
    }

    #[test]
    fn a_traceparent_has_four_parts_and_no_id_is_zero() {
        assert!(is_traceparent(EXAMPLE));
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            &format!("{EXAMPLE}\n"),
        ] {
            assert!(!is_traceparent(wrong), "{wrong:?}");
        }
    }
}
