//! `AWS::SQS::Queue`.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::json;

use super::{
    declared::Declared,
    error::Problem,
    model::Queue,
    node::Node,
    properties::{Properties, Rules},
    scope::Scope,
};

const RULES: Rules = Rules {
    supported: &[
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "DelaySeconds",
        "FifoQueue",
        "FifoThroughputLimit",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "QueueName",
        "ReceiveMessageWaitTimeSeconds",
        "RedriveAllowPolicy",
        "VisibilityTimeout",
    ],
    parts: &["RedrivePolicy"],
    without_effect: &[
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "SqsManagedSseEnabled",
        "Tags",
    ],
    refused: &[],
};

const REDRIVE: Rules = Rules::only(&["deadLetterTargetArn", "maxReceiveCount"]);

/// The attributes that are numbers, and what SQS takes for them (SQS API Reference, `SetQueueAttributes`).
const NUMBERS: [(&str, RangeInclusive<u32>); 5] = [
    ("DelaySeconds", 0..=900),
    ("MaximumMessageSize", 1_024..=1_048_576),
    ("MessageRetentionPeriod", 60..=1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0..=20),
    ("VisibilityTimeout", 0..=43_200),
];

/// The attributes that only a FIFO queue has, and what SQS takes for them.
const FIFO_ONLY: [(&str, &[&str]); 3] = [
    ("ContentBasedDeduplication", &["true", "false"]),
    ("DeduplicationScope", &["messageGroup", "queue"]),
    ("FifoThroughputLimit", &["perMessageGroupId", "perQueue"]),
];

/// The queue's name: a FIFO queue's must end with `.fifo`, and only that one's may.
pub(crate) fn name(
    resource: &Declared<'_>,
    scope: &Scope<'_>,
    explicit: Option<String>,
    derived: String,
) -> Result<String, Problem> {
    let properties = &resource.properties;
    let fifo = properties
        .get("FifoQueue")
        .map(|fifo| scope.resolve(fifo))
        .transpose()?
        .flatten();
    let fifo = fifo.map(|fifo| fifo.boolean()).transpose()?.unwrap_or(false);
    match explicit {
        None if fifo => Ok(format!("{derived}.fifo")),
        None => Ok(derived),
        Some(name) if name.ends_with(".fifo") == fifo => Ok(name),
        Some(name) => {
            let at = properties.get("QueueName").unwrap_or(properties);
            Err(at.invalid(format!(
                "{name:?}: a name ends with .fifo if, and only if, FifoQueue is true"
            )))
        }
    }
}

/// A queue, and the ARN that it redrives to.
pub(crate) struct Read {
    pub(crate) queue: Queue,
    pub(crate) dead_letters_to: Option<Node>,
}

/// Reads one queue.
pub(crate) fn read(scope: &Scope<'_>, resource: &Declared<'_>) -> Result<Read, Problem> {
    let properties = Properties::open(scope, &resource.properties, &RULES)?;
    let mut attributes = fifo_attributes(&properties)?;
    for (attribute, range) in NUMBERS {
        let number = properties.number(attribute, range)?;
        attributes.extend(number.map(|number| (attribute.to_owned(), number.to_string())));
    }
    if let Some(policy) = properties.get("RedriveAllowPolicy") {
        attributes.insert("RedriveAllowPolicy".to_owned(), policy.to_json().to_string());
    }
    let redrive = properties.part(scope, "RedrivePolicy", &REDRIVE)?;
    let dead_letters_to = redrive
        .as_ref()
        .map(|policy| policy.required("deadLetterTargetArn").cloned())
        .transpose()?;
    if let Some(policy) = redrive {
        attributes.insert("RedrivePolicy".to_owned(), redrive_policy(&policy)?);
    }
    let queue = Queue {
        logical_id: resource.logical_id.to_owned(),
        name: resource.name.clone(),
        attributes,
    };
    Ok(Read { queue, dead_letters_to })
}

fn fifo_attributes(properties: &Properties) -> Result<BTreeMap<String, String>, Problem> {
    let mut attributes = BTreeMap::new();
    let fifo = properties.boolean("FifoQueue")?.unwrap_or(false);
    // A standard queue's CreateQueue must leave FifoQueue out: SQS takes only "true".
    attributes.extend(fifo.then(|| ("FifoQueue".to_owned(), "true".to_owned())));
    for (attribute, choices) in FIFO_ONLY {
        let Some(node) = properties.get(attribute) else {
            continue;
        };
        if !fifo {
            return Err(node.invalid(format!("only a FIFO queue has {attribute}")));
        }
        attributes.insert(attribute.to_owned(), node.one_of(choices)?.to_owned());
    }
    Ok(attributes)
}

fn redrive_policy(policy: &Properties) -> Result<String, Problem> {
    let target = policy.required("deadLetterTargetArn")?.text()?;
    let count = policy.required("maxReceiveCount")?.number(1..=1_000)?;
    Ok(json!({ "deadLetterTargetArn": target, "maxReceiveCount": count }).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_resource};
    use super::*;

    fn queue(properties: &str) -> Result<Queue, String> {
        Ok(read(&with_resource("AWS::SQS::Queue", properties))?.queues.remove(0))
    }

    fn refusal(properties: &str) -> String {
        let message = queue(properties).unwrap_err();
        message
            .strip_prefix("t.yaml:5: Resources.It.Properties.")
            .expect("names line and property")
            .to_owned()
    }

    #[test]
    fn numbers_become_the_texts_that_create_queue_takes() {
        let queue = queue("VisibilityTimeout: 6\nDelaySeconds: '0'\nMessageRetentionPeriod: 1209600").unwrap();
        let attributes: Vec<_> = queue
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            attributes,
            [
                "DelaySeconds=0",
                "MessageRetentionPeriod=1209600",
                "VisibilityTimeout=6"
            ]
        );
    }

    #[test]
    fn a_number_outside_of_its_range_is_refused() {
        assert_eq!(
            refusal("VisibilityTimeout: 43201"),
            "VisibilityTimeout: must be a whole number from 0 to 43200, not \"43201\""
        );
        assert_eq!(
            refusal("DelaySeconds: 1.5"),
            "DelaySeconds: must be a whole number from 0 to 900, not \"1.5\""
        );
    }

    #[test]
    fn a_fifo_queues_name_ends_with_fifo() {
        assert_eq!(queue("FifoQueue: true").unwrap().name, "local-It.fifo");
        assert_eq!(
            queue("FifoQueue: true\nQueueName: jobs.fifo").unwrap().attributes["FifoQueue"],
            "true"
        );
        assert!(
            queue("QueueName: jobs\nFifoQueue: true")
                .unwrap_err()
                .contains("ends with .fifo if, and only if")
        );
        assert!(
            queue("QueueName: jobs.fifo")
                .unwrap_err()
                .contains("ends with .fifo if, and only if")
        );
    }

    #[test]
    fn a_standard_queue_does_not_mention_fifo() {
        assert!(queue("FifoQueue: false").unwrap().attributes.is_empty());
        assert_eq!(
            refusal("ContentBasedDeduplication: true"),
            "ContentBasedDeduplication: only a FIFO queue has ContentBasedDeduplication"
        );
    }

    #[test]
    fn an_unknown_property_is_refused() {
        assert_eq!(
            refusal("VisibilityTimeOut: 6"),
            "VisibilityTimeOut: the local stack doesn't know the property VisibilityTimeOut: did you mean VisibilityTimeout?"
        );
        assert_eq!(
            refusal("Colour: red"),
            "Colour: the local stack doesn't support the property Colour: remove it"
        );
    }

    #[test]
    fn a_redrive_policy_needs_target_and_count() {
        assert!(
            queue("RedrivePolicy: {maxReceiveCount: 3}")
                .unwrap_err()
                .ends_with("deadLetterTargetArn is missing")
        );
        assert!(
            queue("RedrivePolicy: {deadLetterTargetArn: x}")
                .unwrap_err()
                .ends_with("maxReceiveCount is missing")
        );
    }
}
