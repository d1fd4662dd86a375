//! Receipt handles: opaque to clients, one per receive of a message.

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

/// The content of a receipt handle: which receive of which stored message of which queue.
///
/// The queue is named by its random ID, not by its name, so that a handle outlives neither its queue nor this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) queue: Uuid,
    pub(crate) slot: u64,
    /// Counts the receives of this stored message: only the latest handle is good.
    pub(crate) receive: u32,
}

impl Receipt {
    pub(crate) fn handle(&self) -> String {
        STANDARD.encode(format!("{}:{}:{}", self.queue, self.slot, self.receive))
    }

    pub(crate) fn parse(handle: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
        let mut parts = text.split(':');
        let receipt = Self {
            queue: parts.next()?.parse().ok()?,
            slot: parts.next()?.parse().ok()?,
            receive: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_says_which_receive_it_was() {
        let receipt = Receipt {
            queue: Uuid::new_v4(),
            slot: 7,
            receive: 3,
        };
        assert_eq!(Receipt::parse(&receipt.handle()), Some(receipt));
    }

    #[test]
    fn anything_else_is_no_handle() {
        let too_long = STANDARD.encode(format!("{}:1:1:1", Uuid::nil()));
        for text in ["", "garbage", "AAAA", &STANDARD.encode("a:b:c"), &too_long] {
            assert_eq!(Receipt::parse(text), None, "{text}");
        }
    }
}
