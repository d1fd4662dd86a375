//! Which messages of a batch are processed in order, and which concurrently.

use std::collections::HashMap;

use crate::delivery::Message;

/// The messages of a batch, as positions in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Messages of a sequence are processed in order, sequences concurrently.
    pub(crate) sequences: Vec<Vec<usize>>,
    /// Each repeated delivery of a message, with the position of the first. It is not processed: it has the same verdict.
    pub(crate) copies: Vec<(usize, usize)>,
}

/// On an ordered queue every message group is a sequence; otherwise every key is.
pub(crate) fn order(messages: &[Message], ordered: bool) -> Order {
    let mut sequences: Vec<Vec<usize>> = Vec::new();
    let (mut of_group, mut of_key) = (HashMap::new(), HashMap::with_capacity(messages.len()));
    let mut first_of_id = HashMap::with_capacity(messages.len());
    let mut copies = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let delivery = &message.delivery;
        let first = *first_of_id.entry(delivery.message_id()).or_insert(position);
        if first != position {
            copies.push((position, first));
            continue;
        }
        let sequence = match ordered {
            true => *of_group.entry(delivery.group()).or_insert(sequences.len()),
            // Two messages of one key are not copies: their payloads may differ, and each has a verdict of its own. In
            // sequence, the second finds the record of the first.
            false => *of_key.entry(delivery.key()).or_insert(sequences.len()),
        };
        match sequences.get_mut(sequence) {
            Some(sequence) => sequence.push(position),
            None => sequences.push(vec![position]),
        }
    }
    Order { sequences, copies }
}
