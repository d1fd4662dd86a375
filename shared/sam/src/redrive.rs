//! Which queue redrives to which, and in which order they can be created.

use super::{error::Problem, model::Queue, node::Node, queue::Read, scope::Scope};

/// The queues in an order in which each comes after its dead-letter queue, because `CreateQueue` needs the target to exist.
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

#[cfg(test)]
mod tests {
    use super::super::testing::read;

    /// A template of queues; each is a name, `FifoQueue`, and the logical ID of its dead-letter queue.
    fn template(queues: &[(&str, bool, Option<&str>)]) -> String {
        let mut text = "Resources:\n".to_owned();
        for (id, fifo, target) in queues {
            text += &format!("  {id}:\n    Type: AWS::SQS::Queue\n    Properties:\n      FifoQueue: {fifo}\n");
            if let Some(target) = target {
                text += &format!(
                    "      RedrivePolicy: {{deadLetterTargetArn: !GetAtt {target}.Arn, maxReceiveCount: 3}}\n"
                );
            }
        }
        text
    }

    #[test]
    fn a_dead_letter_queue_comes_before_its_source_queues() {
        let queues = [
            ("A", false, Some("B")),
            ("B", false, Some("C")),
            ("C", false, None),
            ("D", false, Some("C")),
        ];
        let read = read(&template(&queues)).unwrap();
        let order: Vec<_> = read.queues.iter().map(|queue| queue.logical_id.as_str()).collect();
        assert_eq!(order, ["C", "B", "D", "A"]);
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:local-C","maxReceiveCount":3}"#;
        assert_eq!(read.queues[1].attributes["RedrivePolicy"], policy);
    }

    #[test]
    fn queues_that_redrive_to_each_other_are_refused() {
        let message = read(&template(&[("A", false, Some("B")), ("B", false, Some("A"))])).unwrap_err();
        assert!(
            message.ends_with("the queues redrive to each other in a circle"),
            "{message}"
        );
        assert!(read(&template(&[("A", false, Some("A"))])).is_err());
    }

    #[test]
    fn a_fifo_queue_dead_letters_to_a_fifo_queue() {
        assert!(read(&template(&[("A", true, Some("B")), ("B", true, None)])).is_ok());
        for (queue, target) in [(true, false), (false, true)] {
            let message = read(&template(&[("A", queue, Some("B")), ("B", target, None)])).unwrap_err();
            assert!(
                message.contains("the dead-letter queue of a FIFO queue must be FIFO"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_target_outside_of_the_template_is_refused() {
        let template = "Resources:\n  A:\n    Type: AWS::SQS::Queue\n    Properties:\n      RedrivePolicy: {deadLetterTargetArn: 'arn:x', maxReceiveCount: 3}\n";
        assert!(
            read(template)
                .unwrap_err()
                .ends_with("no queue of this template has the ARN arn:x")
        );
    }
}
