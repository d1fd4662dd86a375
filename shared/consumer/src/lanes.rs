//! Which messages may run side by side.

use std::collections::HashMap;

use crate::message::Message;

/// The messages of a batch, as positions in the event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// One after the other inside a lane, lanes side by side.
    pub(crate) lanes: Vec<Vec<usize>>,
    /// Copies of an earlier message, and that one: they are not run, but take its outcome.
    pub(crate) followers: Vec<(usize, usize)>,
}

/// On a standard queue every key is a lane; on a FIFO queue every message group is.
pub(crate) fn assign(messages: &[Message], fifo: bool) -> Lanes {
    let mut lanes: Vec<Vec<usize>> = Vec::new();
    let (mut lane_of_group, mut lane_of_key) = (HashMap::new(), HashMap::new());
    let mut leader_of_id = HashMap::new();
    let mut followers = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let delivery = &message.delivery;
        let leader = *leader_of_id.entry(delivery.message_id()).or_insert(position);
        if leader != position {
            followers.push((position, leader));
            continue;
        }
        let lane = match fifo {
            true => *lane_of_group.entry(delivery.group()).or_insert(lanes.len()),
            // Two messages of one key are not one message: payloads may differ, and each has an end of its own. One
            // after the other, the second finds what became of the first.
            false => *lane_of_key.entry(delivery.key()).or_insert(lanes.len()),
        };
        match lanes.get_mut(lane) {
            Some(lane) => lane.push(position),
            None => lanes.push(vec![position]),
        }
    }
    Lanes { lanes, followers }
}
