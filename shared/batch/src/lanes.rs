//! Which messages may run side by side.

use std::collections::HashMap;

use crate::message::Message;

/// The messages of a batch, as positions in the event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lanes {
    /// One after the other inside a lane, lanes side by side.
    pub(crate) lanes: Vec<Vec<usize>>,
    /// Messages with the key of an earlier one, and that one: they are not run, but take its outcome.
    pub(crate) followers: Vec<(usize, usize)>,
}

/// On a standard queue every message is a lane; on a FIFO queue every message group is.
pub(crate) fn assign(messages: &[Message], fifo: bool) -> Lanes {
    let mut lanes: Vec<Vec<usize>> = Vec::new();
    let mut lane_of_group = HashMap::new();
    let mut leader_of_key = HashMap::new();
    let mut followers = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        let leader = *leader_of_key.entry(message.delivery.key()).or_insert(position);
        if leader != position {
            followers.push((position, leader));
            continue;
        }
        let lane = match fifo {
            true => *lane_of_group.entry(message.delivery.group()).or_insert(lanes.len()),
            false => lanes.len(),
        };
        match lanes.get_mut(lane) {
            Some(lane) => lane.push(position),
            None => lanes.push(vec![position]),
        }
    }
    Lanes { lanes, followers }
}
