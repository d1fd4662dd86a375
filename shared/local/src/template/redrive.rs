//! Which queue redrives to which, and in which order they can be created.

use super::{error::Problem, model::Queue, node::Node, queue::Read, scope::Scope};

/// The queues in an order in which each comes after its dead-letter queue, for `CreateQueue` wants the target to exist.
pub(crate) fn dead_letters_first(scope: &Scope<'_>, queues: Vec<Read>) -> Result<Vec<Queue>, Problem> {
    for read in &queues {
        if let Some(arn) = &read.dead_letters_to {
            check_target(scope, &read.queue, arn, &queues)?;
        }
    }
    let mut waiting = queues;
    let mut ordered: Vec<Queue> = Vec::new();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|read| is_ready(scope, read, &ordered));
        match (
            ready.is_empty(),
            rest.iter().find_map(|read| read.dead_letters_to.as_ref()),
        ) {
            (true, Some(arn)) => return Err(arn.invalid("the queues redrive to each other in a circle")),
            _ => ordered.extend(ready.into_iter().map(|read| read.queue)),
        }
        waiting = rest;
    }
    Ok(ordered)
}

fn is_ready(scope: &Scope<'_>, read: &Read, ordered: &[Queue]) -> bool {
    let Some(Ok(target)) = read.dead_letters_to.as_ref().map(Node::text) else {
        return true;
    };
    ordered.iter().any(|queue| scope.queue_arn(&queue.name) == target)
}

fn check_target(scope: &Scope<'_>, queue: &Queue, arn: &Node, queues: &[Read]) -> Result<(), Problem> {
    let target = arn.text()?;
    let found = queues.iter().find(|read| scope.queue_arn(&read.queue.name) == target);
    let target_queue = found.ok_or_else(|| arn.invalid(format!("no queue of this template has the ARN {target}")))?;
    if target_queue.queue.is_fifo() == queue.is_fifo() {
        return Ok(());
    }
    Err(arn.invalid("the dead-letter queue of a FIFO queue must be FIFO, that of a standard queue standard"))
}
